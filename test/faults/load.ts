// Continuous load as careful clients make it: batches of new events among which are repeats, contradictions (the same
// key with another payload), events of long closed windows and events too old to be taken. A request is repeated until
// it is acknowledged, at whichever gateway serves; every answer is checked. Memory stays bounded however long it runs.
import { setTimeout as delay } from 'node:timers/promises';
import type { DemoEvent } from '../../demo/demo-event.ts';
import type { Fate } from '../../demo/mishaps.ts';
import { eventJson } from '../../demo/mishaps.ts';
import { Random } from '../../domain/random.ts';
import { type Account, models } from './account.ts';

export interface LoadOptions {
  readonly urls: () => readonly string[];
  readonly apiKey: string;
  readonly account: Account;
  readonly seed: number;
  readonly eventsPerSecond: number;
  readonly batchEvents: number;
  readonly connections: number;
  /** The horizon of the gateway; times beyond it are rejected. */
  readonly horizonMs: number;
  /** How far back late events go. */
  readonly lateMaxMs: number;
}

interface Delivery {
  readonly json: string;
  readonly fate: Fate;
  readonly event: DemoEvent;
}

interface Answer {
  readonly accepted?: number;
  readonly code?: string;
  readonly rejected?: readonly { readonly index: number; readonly code: string }[];
}

const SUBJECTS = 12;
/** Only a few subjects have late usage: each late event is an adjustment of its own. */
const LATE_SUBJECTS = 2;
const REPEAT_SHARE = 0.06;
const CONFLICT_SHARE = 0.01;
const LATE_SHARE = 0.02;
const TOO_OLD_SHARE = 0.002;
const RECENT_MAX = 4_000;
const OLDER_MAX = 2_000;
const REQUEST_TIMEOUT_MS = 25_000;

export class Load {
  /** Acknowledged requests and their events. */
  acknowledged = 0;
  /** When the last request was acknowledged, milliseconds since the epoch. */
  lastAcknowledgedAt = 0;
  private readonly options: LoadOptions;
  private readonly random: Random;
  private serial = 0;
  private turn = 0;
  /** Acknowledged events that may be sent again: the latest, and a sample of the ones before. */
  private readonly recent: DemoEvent[] = [];
  private readonly older: DemoEvent[] = [];
  private running: Promise<unknown> = Promise.resolve();
  private isRunning = false;
  private abandoned = false;
  private nextAt = 0;

  constructor(options: LoadOptions) {
    this.options = options;
    this.random = new Random(options.seed).fork('load');
  }

  start(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    this.nextAt = performance.now();
    this.running = Promise.all(Array.from({ length: this.options.connections }, () => this.connection()));
    this.running.catch(() => undefined);
  }

  /** Stops sending; resolves once everything that was sent is acknowledged. */
  async pause(): Promise<void> {
    this.isRunning = false;
    await this.running;
  }

  /** Stops sending at once, and leaves what is not acknowledged. */
  abandon(): void {
    this.isRunning = false;
    this.abandoned = true;
  }

  private async connection(): Promise<void> {
    const { eventsPerSecond, batchEvents } = this.options;
    while (this.isRunning) {
      // What an outage held up is not made up for: the rate is what the machine was found to hold.
      this.nextAt = Math.max(this.nextAt + (1000 * batchEvents) / eventsPerSecond, performance.now() - 200);
      const waitMs = this.nextAt - performance.now();
      if (waitMs > 1) await delay(waitMs);
      if (this.isRunning) await this.deliver(this.batch());
    }
  }

  private batch(): Delivery[] {
    const { random } = this;
    const deliveries: Delivery[] = [];
    for (let i = 0; i < this.options.batchEvents; i++) {
      if (this.recent.length > 0 && random.chance(REPEAT_SHARE)) {
        const event = this.sentBefore();
        deliveries.push({ json: eventJson(event, random.chance(0.5)), fate: 'duplicate', event });
      } else if (this.recent.length > 0 && random.chance(CONFLICT_SHARE)) {
        // Its original is acknowledged, so it stands behind it in the log.
        const event = this.sentBefore();
        const other = { ...event, data: { ...event.data, tokens: Number(event.data.tokens) + 1 } };
        deliveries.push({ json: eventJson(other), fate: 'conflict', event });
      } else if (random.chance(TOO_OLD_SHARE)) {
        const event = { ...this.event(), time: Date.now() - this.options.horizonMs - 3_600_000 };
        deliveries.push({ json: eventJson(event), fate: 'rejected', event });
      } else {
        const event = this.event();
        deliveries.push({ json: eventJson(event), fate: 'accepted', event });
      }
    }
    return deliveries;
  }

  private sentBefore(): DemoEvent {
    const from = this.older.length > 0 && this.random.chance(0.3) ? this.older : this.recent;
    const event = from[this.random.below(from.length)]!;
    // One that has grown old in the sample would be refused, as it should be.
    return Date.now() - event.time < this.options.horizonMs / 2 ? event : this.recent.at(-1)!;
  }

  private event(): DemoEvent {
    const { random } = this;
    const isLate = random.chance(LATE_SHARE);
    const agoMs = isLate ? random.next() * this.options.lateMaxMs : random.next() * 2_000;
    return {
      id: `${this.options.seed.toString(36)}-${(this.serial++).toString(36)}`,
      source: 'faults',
      type: 'llm.completion',
      subject: `cus_${random.below(isLate ? LATE_SUBJECTS : SUBJECTS)}`,
      time: Math.floor(Date.now() - agoMs),
      data: { model: models[random.below(models.length)]!, tokens: 1 + random.below(2_000) },
    };
  }

  private remember(event: DemoEvent): void {
    const { random, recent, older } = this;
    if (recent.length < RECENT_MAX) {
      recent.push(event);
      return;
    }
    const slot = random.below(RECENT_MAX);
    if (random.chance(0.01)) {
      if (older.length < OLDER_MAX) older.push(recent[slot]!);
      else older[random.below(OLDER_MAX)] = recent[slot]!;
    }
    recent[slot] = event;
  }

  /** Until it is acknowledged: whoever gives up on a request does not know what has become of it. */
  private async deliver(deliveries: readonly Delivery[]): Promise<void> {
    const { account } = this.options;
    const body = `[${deliveries.map(({ json }) => json).join(',')}]`;
    while (!this.abandoned) {
      const response = await this.post(body);
      if (response === null) {
        account.sent.resent += deliveries.length;
        await delay(100);
        continue;
      }
      const { status, retryAfter, answer } = response;
      if (status === 200 || status === 207) {
        this.settle(deliveries, status, answer);
        return;
      }
      if (status !== 503 && status !== 429) account.surprise(`${status} ${JSON.stringify(answer).slice(0, 300)}`);
      if (retryAfter === null && (status === 503 || status === 429)) account.surprise(`${status} without Retry-After`);
      account.sent.deferred++;
      account.sent.resent += deliveries.length;
      await delay(Math.min(2_000, 1_000 * (retryAfter ?? 0.25)));
    }
  }

  /** Null where the connection broke, or nothing answered in time. */
  private async post(body: string): Promise<{ status: number; retryAfter: number | null; answer: Answer } | null> {
    const urls = this.options.urls();
    const url = urls[this.turn++ % urls.length]!;
    try {
      const response = await fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${this.options.apiKey}`, 'content-type': 'application/json' },
        body,
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      const retryAfter = response.headers.get('retry-after');
      const answer = (await response.json()) as Answer;
      return { status: response.status, retryAfter: retryAfter === null ? null : Number(retryAfter), answer };
    } catch {
      return null;
    }
  }

  private settle(deliveries: readonly Delivery[], status: number, answer: Answer): void {
    const { account } = this.options;
    const rejected = new Map((answer.rejected ?? []).map(({ index, code }) => [index, code]));
    const acceptedMax = deliveries.length - rejected.size;
    if (answer.accepted !== acceptedMax) account.surprise(`${status}: accepted ${answer.accepted}, not ${acceptedMax}`);
    for (const [index, { fate, event }] of deliveries.entries()) {
      const code = rejected.get(index);
      const expected = fate === 'rejected' ? 'time_too_old' : undefined;
      if (code !== expected) account.surprise(`${code ?? 'accepted'} where ${expected ?? 'accepted'} was called for`);
      if (code !== undefined) {
        account.sent.rejectedByCode.set(code, (account.sent.rejectedByCode.get(code) ?? 0) + 1);
      }
      account.oracle.record(fate, fate === 'accepted' ? event : null);
      if (fate === 'accepted') this.remember(event);
    }
    account.sent.sent += deliveries.length;
    account.sent.acknowledged += acceptedMax;
    this.acknowledged += acceptedMax;
    this.lastAcknowledgedAt = Date.now();
  }
}
