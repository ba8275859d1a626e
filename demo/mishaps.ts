// What goes wrong on the way to a metering service, done on purpose: repeated deliveries, keys reused for another
// payload, broken events, disorder. Every delivery says what must become of it; that is what the check relies on.
// A conflicting delivery is never in the batch of the event it contradicts, and names that batch: sent after its
// acknowledgement, it stands behind the original in the log, so that which of the two counts is no accident.

import { Random } from '../domain/random.ts';
import { type BrokenKind, brokenEvent, brokenKinds } from './broken-event.ts';
import type { DemoEvent } from './demo-event.ts';

export const fates = ['accepted', 'duplicate', 'conflict', 'rejected'] as const;

/** What must become of a delivery. */
export type Fate = (typeof fates)[number];

export interface Delivery {
  readonly json: string;
  readonly fate: Fate;
  /** Of an accepted one: what has to be counted. */
  readonly event: DemoEvent | null;
  /** Of a rejected one. */
  readonly brokenKind: BrokenKind | null;
}

export interface Batch {
  /** Counted from 0. */
  readonly index: number;
  readonly deliveries: readonly Delivery[];
  /** The batch that has to be acknowledged before this one is sent; null: none. */
  readonly afterBatch: number | null;
}

export interface MishapSettings {
  readonly seed: number;
  /** The index of the first batch. Absent: 0. */
  readonly firstBatch?: number;
  readonly batchEventsMax: number;
  readonly duplicateShare: number;
  readonly conflictShare: number;
  readonly brokenShare: number;
  /** Events leave in an order shuffled over about this many. */
  readonly shuffleWidth: number;
  /** Milliseconds since the epoch, for times that are too old or in the future. */
  readonly now: number;
}

/** A repeat comes 1 to this many deliveries after its original. */
const REPEAT_DELAY_MAX = 20_000;
const BATCH_EVENTS_MIN = 100;

const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? 1 : -1);

/** The JSON text of an event; `reordered` writes the same members in another order. */
export function eventJson(event: DemoEvent, reordered = false): string {
  const { id, source, type, subject, data } = event;
  const time = new Date(event.time).toISOString();
  if (!reordered) return JSON.stringify({ id, source, type, subject, time, data });
  return JSON.stringify({
    data: Object.fromEntries(Object.entries(data).sort(byName)),
    time,
    subject,
    type,
    source,
    id,
  });
}

/** The same key with another payload: one more of the first number in it. */
function contradiction(event: DemoEvent): DemoEvent {
  const field = Object.keys(event.data).find((name) => typeof event.data[name] === 'number') ?? 'note';
  return { ...event, data: { ...event.data, [field]: Number(event.data[field] ?? 0) + 1 } };
}

/** A window of events from which the next is drawn at random. */
function* shuffled(events: Iterable<DemoEvent>, width: number, random: Random): Generator<DemoEvent> {
  const window: DemoEvent[] = [];
  for (const event of events) {
    if (window.length < width) {
      window.push(event);
      continue;
    }
    const i = random.below(window.length);
    yield window[i]!;
    window[i] = event;
  }
  while (window.length > 0) yield window.splice(random.below(window.length), 1)[0]!;
}

interface Repeat {
  readonly event: DemoEvent;
  readonly fate: 'duplicate' | 'conflict';
  readonly originalBatch: number;
}

/** Repeats by the position at which they fall due, handed out in order of position. */
class Schedule {
  private readonly byPosition = new Map<number, Repeat[]>();
  private next = 0;
  private last = 0;

  add(position: number, repeat: Repeat): void {
    const due = this.byPosition.get(position);
    if (due === undefined) this.byPosition.set(position, [repeat]);
    else due.push(repeat);
    this.last = Math.max(this.last, position);
  }

  *take(upTo: number): Generator<Repeat> {
    for (; this.next <= Math.min(upTo, this.last); this.next++) {
      yield* this.byPosition.get(this.next) ?? [];
      this.byPosition.delete(this.next);
    }
  }
}

export function* deliver(events: Iterable<DemoEvent>, settings: MishapSettings): Generator<Batch> {
  const { seed, firstBatch = 0 } = settings;
  const random = new Random(seed).fork(firstBatch === 0 ? 'mishaps' : `mishaps from ${firstBatch}`);
  const repeats = new Schedule();
  let position = 0;
  let deliveries: Delivery[] = [];
  let afterBatch: number | null = null;
  let index = firstBatch;
  const batchSize = () => BATCH_EVENTS_MIN + random.below(Math.max(1, settings.batchEventsMax - BATCH_EVENTS_MIN + 1));
  let size = batchSize();

  function* close(): Generator<Batch> {
    if (deliveries.length === 0) return;
    yield { index, deliveries, afterBatch };
    index++;
    deliveries = [];
    afterBatch = null;
    size = batchSize();
  }
  function* add(delivery: Delivery): Generator<Batch> {
    deliveries.push(delivery);
    position++;
    if (deliveries.length >= size) yield* close();
  }
  function* repeat({ event, fate, originalBatch }: Repeat): Generator<Batch> {
    if (fate === 'conflict') {
      if (originalBatch === index) yield* close();
      afterBatch = Math.max(afterBatch ?? -1, originalBatch);
    }
    const json = fate === 'conflict' ? eventJson(contradiction(event)) : eventJson(event, random.chance(0.5));
    yield* add({ json, fate, event: null, brokenKind: null });
  }
  function later(event: DemoEvent, fate: Repeat['fate']): void {
    const due = position + 1 + random.below(REPEAT_DELAY_MAX);
    repeats.add(due, { event, fate, originalBatch: index });
  }

  for (const event of shuffled(events, settings.shuffleWidth, random)) {
    if (random.chance(settings.duplicateShare)) later(event, 'duplicate');
    if (random.chance(settings.conflictShare)) later(event, 'conflict');
    yield* add({ json: eventJson(event), fate: 'accepted', event, brokenKind: null });
    if (random.chance(settings.brokenShare)) {
      const kind = brokenKinds[random.below(brokenKinds.length)]!;
      const json = brokenEvent(event, kind, settings.now);
      yield* add({ json, fate: 'rejected', event: null, brokenKind: kind });
    }
    for (const due of repeats.take(position)) yield* repeat(due);
  }
  for (const due of repeats.take(Number.POSITIVE_INFINITY)) yield* repeat(due);
  yield* close();
}
