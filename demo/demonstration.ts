// The demonstration on a running installation: subscribe customers, stream, kill the aggregator on the way, change
// plans and prices, wait until everything sent is sealed and rated, compare. Usage comes in waves: of the hours before,
// of while the plans are the first ones, and of the window after they were changed. Waits are on conditions with
// deadlines; a deadline that passes is a failure and says what was missing.
import type { Catalog } from '../domain/catalog/catalog.ts';
import { ApiReader } from './account/api-reader.ts';
import { compare, formatTable, type Observed, percentile, type Row } from './account/comparison.ts';
import { Oracle } from './account/oracle.ts';
import { SealReader } from './account/seal-reader.ts';
import { Contracts, subscribers } from './contracts.ts';
import type { DemoEvent } from './demo-event.ts';
import { type FreshnessBySpan, FreshnessProbe, type Outage, splitByStandstill } from './freshness-probe.ts';
import { type Installation, until } from './installation.ts';
import { type Batch, type Delivery, deliver, type MishapSettings } from './mishaps.ts';
import { catalogOf, priceLists } from './price-lists.ts';
import { Progress, type ProgressState } from './progress.ts';
import { Sender } from './sender.ts';
import { type TraceRow, traceEvents } from './trace.ts';
import { customerNames, llmTraffic } from './traffic.ts';

export interface StreamOptions {
  readonly events: number;
  /** Streamed in place of generated traffic. */
  readonly trace: readonly TraceRow[] | null;
  readonly seed: number;
  /** Deliveries a second; null: as fast as they are taken. */
  readonly rate: number | null;
  /** The price list that takes the first one's place on the way. */
  readonly newPricesFile: string;
}

const MODELS = ['m-small', 'm-large', 'm-nano'];
const CUSTOMERS = 1_000;
const SPAN_MS = 30 * 60_000;
const MINUTE_MS = 60_000;
/** So much of the first window after the changes has usage. */
const CHANGED_SPAN_MS = 15_000;
const NEXT_WINDOW_WITHIN_MS = 2 * MINUTE_MS;
const DAY_MS = 86_400_000;
export const ALLOWED_LATENESS_MS = 2_000;
const CONNECTIONS = 8;
const PROBES = 6;
/** This share of the events, with which the second wave is half sent. */
const CHANGES_AFTER = 0.62;
const READ_WITHIN_MS = 60_000;
const DRAIN_WITHIN_MS = 240_000;
const POLL_MS = 250;
const STATUS_EVERY_MS = 1_000;
const mishapShares = { duplicateShare: 0.05, conflictShare: 0.002, brokenShare: 0.005, shuffleWidth: 1_000 };

/** Events in the order in which they happen. */
interface Wave {
  readonly count: number;
  readonly events: Iterable<DemoEvent>;
}

const nextMinute = (instant: number): number => Math.ceil(instant / MINUTE_MS) * MINUTE_MS;

/** Tells the oracle of every batch as it is handed to the sender. */
function* recorded(batches: Iterable<Batch>, oracle: Oracle, onBatch: (batch: Batch) => void): Generator<Batch> {
  for (const batch of batches) {
    for (const { fate, event } of batch.deliveries) oracle.record(fate, event);
    onBatch(batch);
    yield batch;
  }
}

export class Demonstration {
  private readonly options: StreamOptions;
  private readonly installation: Installation;
  private readonly catalog: Catalog;
  private readonly oracle: Oracle;
  private readonly contracts: Contracts;
  private readonly api: ApiReader;
  private readonly sender: Sender;
  private outage: Promise<Outage> | null = null;
  /** Resolves to the instant of the last of them. */
  private changes: Promise<number> | null = null;
  /** The last window that is to be billed closes then. */
  private usageEnd = 0;
  private state: ProgressState = { phase: 'streaming', done: 0, total: 0, lagSeconds: null };

  constructor(options: StreamOptions, installation: Installation) {
    this.options = options;
    this.installation = installation;
    const { url, apiKey } = installation;
    this.catalog = catalogOf(priceLists()[0]);
    this.oracle = new Oracle(this.catalog);
    this.contracts = new Contracts(installation, this.oracle.agreements);
    this.api = new ApiReader(url, apiKey, { patienceMs: READ_WITHIN_MS });
    this.sender = new Sender({ url, apiKey, connections: CONNECTIONS, rateMax: options.rate, retryForMs: 60_000 });
  }

  /** True when nothing differs. */
  async run(): Promise<boolean> {
    const seals = await SealReader.connect(this.installation.postgresUrl);
    const watch = this.watchLag();
    const progress = new Progress(() => this.state);
    try {
      const { seconds, freshness } = await this.stream((line) => progress.note(line));
      const observed = await this.settle(seals);
      watch.stop();
      progress.stop();
      return this.report(observed, seconds, freshness);
    } finally {
      watch.stop();
      progress.stop();
      this.sender.close();
      this.api.close();
      await seals.close();
    }
  }

  private async stream(note: (line: string) => void): Promise<{ seconds: number; freshness: FreshnessBySpan }> {
    const count = this.options.trace?.length ?? this.options.events;
    const { duplicateShare, conflictShare, brokenShare } = mishapShares;
    this.update({ total: Math.round(count * (1 + duplicateShare + conflictShare + brokenShare)) });
    await this.contracts.open();
    note(`${subscribers.length} customers have subscriptions`);

    const probe = new FreshnessProbe({
      api: this.api,
      send: (delivery: Delivery) => this.sender.send(delivery),
      onSent: ({ fate, event }) => this.oracle.record(fate, event),
      subject: customerNames([], 1)[0]!,
      model: MODELS[0]!,
      parallel: PROBES,
    });
    const died = this.installation.ended.then((how) => {
      throw new Error(`tallyline up ${how} in the middle; the end of its log:\n${this.installation.logTail()}`);
    });
    died.catch(() => {});
    let seconds = 0;
    try {
      let firstBatch = 0;
      for await (const { events } of this.waves(note)) {
        const settings: MishapSettings = {
          ...{ ...mishapShares, seed: this.options.seed, firstBatch, batchEventsMax: 500, now: Date.now() },
        };
        const batches = recorded(deliver(events, settings), this.oracle, ({ index }) => {
          firstBatch = index + 1;
          const { sent } = this.sender.result;
          this.update({ done: sent });
          if (sent >= count / 2) this.killOnce(note);
          if (sent >= count * CHANGES_AFTER) this.changeOnce(note);
        });
        const startedAt = performance.now();
        await Promise.race([this.sender.sendAll(batches), died]);
        seconds += (performance.now() - startedAt) / 1000;
      }
    } catch (error) {
      probe.stop().catch(() => {});
      throw error;
    }
    const { sent } = this.sender.result;
    this.update({ phase: 'counting', done: sent, total: sent });
    await this.changeOnce(note);
    const outage = await this.killOnce(note);
    await probe.stop();
    return { seconds, freshness: splitByStandstill(probe.samples, outage) };
  }

  /** Each is made when its time has come. */
  private async *waves(note: (line: string) => void): AsyncGenerator<Wave> {
    const { trace, events, seed } = this.options;
    const customers = customerNames(subscribers, CUSTOMERS);
    const startedAt = Date.now();
    if (trace !== null) {
      const subjects = customers.slice(0, 50);
      yield { count: trace.length, events: traceEvents(trace, { models: MODELS, subjects, endAt: startedAt }) };
      return;
    }
    const [half, quarter] = [Math.ceil(events / 2), Math.ceil(events / 4)];
    const wave = (firstNumber: number, count: number, from: number): Wave => {
      const endAt = Date.now();
      this.usageEnd = nextMinute(endAt);
      const traffic = {
        seed,
        events: count,
        firstNumber,
        endAt,
        spanMs: Math.max(endAt - from, 1),
        customers,
        models: MODELS,
      };
      return { count, events: llmTraffic(traffic) };
    };
    yield wave(0, half, startedAt - SPAN_MS);
    yield wave(half, Math.min(quarter, events - half), startedAt);
    const changedAt = nextMinute(await this.changeOnce(note));
    this.update({ phase: 'waiting for the next window' });
    await until('the window after the changes', NEXT_WINDOW_WITHIN_MS, POLL_MS, async () =>
      Date.now() >= changedAt + CHANGED_SPAN_MS ? true : null,
    );
    this.update({ phase: 'streaming' });
    yield wave(half + quarter, Math.max(0, events - half - quarter), changedAt);
  }

  /** Resolves when plans and prices are changed, at the first call. */
  private changeOnce(note: (line: string) => void): Promise<number> {
    if (this.changes === null) {
      this.changes = this.change(note);
      // Whoever waits for it is told; until then there may be nobody.
      this.changes.catch(() => {});
    }
    return this.changes;
  }

  private async change(note: (line: string) => void): Promise<number> {
    for (const done of await this.contracts.change()) note(done);
    await this.installation.applyCatalog(this.options.newPricesFile);
    const { version, effectiveAt } = await this.api.catalogVersion();
    this.oracle.agreements.changePrices(catalogOf(priceLists()[1]), effectiveAt);
    note(`price list ${version} holds from ${new Date(effectiveAt).toISOString()} on`);
    return Math.max(effectiveAt, Date.now());
  }

  /** Resolves when another process has taken over from the one killed at the first call. */
  private killOnce(note: (line: string) => void): Promise<Outage> {
    if (this.outage === null) {
      this.outage = this.killAggregator(note);
      // Whoever waits for it is told; until then there may be nobody.
      this.outage.catch(() => {});
    }
    return this.outage;
  }

  private async killAggregator(note: (line: string) => void): Promise<Outage> {
    const from = performance.now();
    const { killed, successor } = this.installation.killAggregator();
    note(`killed the aggregator (SIGKILL to pid ${killed}) with ${this.sender.result.sent} events sent`);
    note(`the aggregator is back as pid ${await successor}`);
    return { from, to: performance.now() };
  }

  /** Waits until every record sent is sealed and rated, then reads everything back. */
  private async settle(seals: SealReader): Promise<Observed> {
    const { partitions } = await this.api.status();
    const ends = new Map(partitions.map(({ partition, logEndOffset }) => [partition, Number(logEndOffset)]));
    await until('the aggregator to reach the end of the log', DRAIN_WITHIN_MS, POLL_MS, async () => {
      const status = await this.api.status();
      const behind = status.partitions.some(
        ({ partition, nextOffset }) => Number(nextOffset) < (ends.get(partition) ?? 0),
      );
      return behind ? null : true;
    });
    // Every record sent has an append time before this, so a watermark past it stands for seals that hold them all; and
    // past the end of the last wave's window, for what its usage costs.
    const drainedAt = Math.max(Date.now(), this.usageEnd + ALLOWED_LATENESS_MS);
    this.update({ phase: 'rating' });
    await until('the rater to rate what was sent', DRAIN_WITHIN_MS, POLL_MS, async () => {
      const watermark = await seals.ratedWatermark();
      return watermark !== null && watermark > drainedAt ? true : null;
    });
    this.update({ phase: 'reading back' });
    return until('line items of one watermark', DRAIN_WITHIN_MS, POLL_MS, () => this.readBack(seals));
  }

  /** Null when a window closed meanwhile: its line items may be there in part, before the rater says it is done. */
  private async readBack(seals: SealReader): Promise<Observed | null> {
    const before = await seals.ratedWatermark();
    const { bills, counts } = await this.api.bills();
    const after = await seals.publishedWatermark();
    // Windows close, and fees begin, at a minute.
    const closing = (watermark: number | null): string =>
      [ALLOWED_LATENESS_MS, 0].map((lateness) => Math.floor(((watermark ?? 0) - lateness) / MINUTE_MS)).join();
    if (before === null || closing(before) !== closing(after)) return null;
    const from = Math.floor(Date.now() / DAY_MS - 40) * DAY_MS;
    const to = Math.floor(Date.now() / DAY_MS + 2) * DAY_MS;
    return {
      outcomes: await seals.outcomes(),
      totals: await this.api.allUsage(this.catalog, from, to, 'total'),
      windows: await this.api.allUsage(this.catalog, from, to, 'window'),
      bills,
      lineItems: counts,
      ratedWatermark: before,
    };
  }

  private report(observed: Observed, seconds: number, { usual, standstill }: FreshnessBySpan): boolean {
    const { result } = this.sender;
    const rows: Row[] = compare(this.oracle, result, observed, ALLOWED_LATENESS_MS);
    const wrong = rows.filter(({ agrees }) => !agrees).length;
    const ms = (samples: readonly number[], share: number): string =>
      samples.length === 0 ? 'not measured' : `${percentile(samples, share)!.toFixed(0)} ms`;
    console.log(`\n${formatTable(rows)}\n`);
    console.log(`rejected, by code: ${JSON.stringify(Object.fromEntries(result.rejectedByCode))}`);
    console.log(`line items: ${observed.lineItems.usage} usage, ${observed.lineItems.adjustment} adjustments`);
    console.log(`throughput: ${Math.round(result.sent / seconds)} events/s acknowledged, over ${seconds.toFixed(1)} s`);
    console.log(
      `freshness: p50 ${ms(usual, 0.5)}, p99 ${ms(usual, 0.99)} from the 2xx of a marker event until GET /v1/events/{id} ` +
        `says accepted (${usual.length} markers)`,
    );
    console.log(`  over the kill, with its recovery: at most ${ms(standstill, 1)} (${standstill.length} markers)`);
    for (const surprise of result.surprises) console.log(`unexpected answer: ${surprise}`);
    console.log(wrong === 0 ? '\nEverything agrees to the last digit.' : `\n${wrong} rows DIFFER.`);
    return wrong === 0;
  }

  private watchLag(): { stop: () => void } {
    let isAsking = false;
    const timer = setInterval(() => {
      if (isAsking) return;
      isAsking = true;
      this.api.status().then(
        ({ lagSeconds }) => {
          this.update({ lagSeconds });
          isAsking = false;
        },
        // Only what is shown depends on it; the checks ask for themselves.
        () => {
          this.update({ lagSeconds: null });
          isAsking = false;
        },
      );
    }, STATUS_EVERY_MS);
    return { stop: () => clearInterval(timer) };
  }

  private update(change: Partial<ProgressState>): void {
    this.state = { ...this.state, ...change };
  }
}
