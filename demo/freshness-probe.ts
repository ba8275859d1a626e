// Measures how fresh a read is, from outside: a marker event is sent by itself, and from its 2xx on the API is asked
// for it until it says "accepted". The markers are ordinary completions that happen now, and are counted like all
// others.
import type { ApiReader } from './account/api-reader.ts';
import type { DemoEvent } from './demo-event.ts';
import { type Delivery, eventJson } from './mishaps.ts';

export interface ProbeSettings {
  readonly api: Pick<ApiReader, 'eventState'>;
  readonly send: (delivery: Delivery) => Promise<void>;
  /** Called with each marker once it is acknowledged. */
  readonly onSent: (delivery: Delivery) => void;
  readonly subject: string;
  readonly model: string;
  /** Markers under way at once. */
  readonly parallel: number;
}

/** Milliseconds; `acknowledgedAt` on the clock of performance.now(). */
export interface FreshnessSample {
  readonly acknowledgedAt: number;
  readonly readableAfter: number;
}

const SOURCE = 'freshness-probe';
const POLL_MS = 100;
const GIVE_UP_MS = 120_000;

export class FreshnessProbe {
  /** One for each marker that became readable. */
  readonly samples: FreshnessSample[] = [];
  private readonly settings: ProbeSettings;
  private readonly done: Promise<unknown>;
  private serial = 0;
  private stopping = false;

  constructor(settings: ProbeSettings) {
    this.settings = settings;
    this.done = Promise.all(Array.from({ length: settings.parallel }, () => this.run()));
    // A failure is reported by stop().
    this.done.catch(() => {});
  }

  /** Sends no more markers, waits for those under way; rejects when one never came to be readable. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.done;
  }

  private async run(): Promise<void> {
    const { api, send, onSent, subject, model } = this.settings;
    while (!this.stopping) {
      const event: DemoEvent = {
        id: `probe_${this.serial++}`,
        source: SOURCE,
        type: 'llm.completion',
        subject,
        time: Date.now(),
        data: { model, input_tokens: 1, output_tokens: 1 },
      };
      const delivery: Delivery = { json: eventJson(event), fate: 'accepted', event, brokenKind: null };
      await send(delivery);
      onSent(delivery);
      const acknowledgedAt = performance.now();
      while ((await api.eventState(event.id, SOURCE)) !== 'accepted') {
        if (performance.now() - acknowledgedAt > GIVE_UP_MS) {
          throw new Error(`event ${event.id} was acknowledged and is not readable ${GIVE_UP_MS / 1000} s later`);
        }
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      this.samples.push({ acknowledgedAt, readableAfter: performance.now() - acknowledgedAt });
    }
  }
}

/** From the kill to the start of the process that took over, by performance.now(). */
export interface Outage {
  readonly from: number;
  readonly to: number;
}

/** How long after its 2xx each marker was readable, milliseconds. */
export interface FreshnessBySpan {
  readonly usual: readonly number[];
  readonly standstill: readonly number[];
}

/**
 * Tells the markers that met a standstill from the others: those under way in the outage, and those sent before the
 * last of these was readable. The ones after it count as usual, though there may still be a backlog.
 */
export function splitByStandstill(samples: readonly FreshnessSample[], outage: Outage): FreshnessBySpan {
  const readableAt = ({ acknowledgedAt, readableAfter }: FreshnessSample): number => acknowledgedAt + readableAfter;
  const underWay = samples.filter((sample) => sample.acknowledgedAt <= outage.to && readableAt(sample) > outage.from);
  const mendedAt = Math.max(outage.to, ...underWay.map(readableAt));
  const isUsual = (sample: FreshnessSample): boolean =>
    readableAt(sample) <= outage.from || sample.acknowledgedAt > mendedAt;
  return {
    usual: samples.filter(isUsual).map(({ readableAfter }) => readableAfter),
    standstill: samples.filter((sample) => !isUsual(sample)).map(({ readableAfter }) => readableAfter),
  };
}
