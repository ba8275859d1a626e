// The demonstration on a running installation: stream, kill the aggregator on the way, wait until everything sent is
// sealed and rated, compare. Waits are on conditions with deadlines; a deadline that passes is a failure and says what
// was missing.
import { readFileSync } from 'node:fs';
import type { Catalog } from '../domain/catalog/catalog.ts';
import { readCatalog } from '../domain/catalog/catalog-file.ts';
import { projectFile } from '../platform/process/project-root.ts';
import { ApiReader } from './account/api-reader.ts';
import { compare, formatTable, type Observed, percentile, type Row } from './account/comparison.ts';
import { Oracle } from './account/oracle.ts';
import { SealReader } from './account/seal-reader.ts';
import type { DemoEvent } from './demo-event.ts';
import { type FreshnessBySpan, FreshnessProbe, type Outage, splitByStandstill } from './freshness-probe.ts';
import { type Installation, until } from './installation.ts';
import { type Batch, type Delivery, deliver, type MishapSettings } from './mishaps.ts';
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
}

export const CATALOG_FILE = 'deploy/catalogs/ai-api.yaml';
const MODELS = ['m-small', 'm-large', 'm-nano'];
const CUSTOMERS = 2_000;
const SPAN_MS = 6 * 3_600_000;
const DAY_MS = 86_400_000;
export const ALLOWED_LATENESS_MS = 2_000;
const CONNECTIONS = 8;
const PROBES = 6;
const DRAIN_WITHIN_MS = 240_000;
const POLL_MS = 250;
const STATUS_EVERY_MS = 1_000;
const mishapShares = { duplicateShare: 0.05, conflictShare: 0.002, brokenShare: 0.005, shuffleWidth: 1_000 };

function sampleCatalog(): Catalog {
  const file = projectFile(CATALOG_FILE);
  const reading = readCatalog(readFileSync(file, 'utf8'), CATALOG_FILE);
  if (!reading.ok) throw new Error(`${CATALOG_FILE} is no sound catalog: ${JSON.stringify(reading.errors)}`);
  return reading.catalog;
}

/** The number of events, and the events in the order in which they happen. */
function plannedEvents(
  options: StreamOptions,
  catalog: Catalog,
  endAt: number,
): { count: number; events: Iterable<DemoEvent> } {
  const customers = customerNames(
    catalog.subscriptions.map(({ subject }) => subject),
    CUSTOMERS,
  );
  if (options.trace !== null) {
    return {
      count: options.trace.length,
      events: traceEvents(options.trace, { models: MODELS, subjects: customers.slice(0, 50), endAt }),
    };
  }
  const { seed, events } = options;
  return { count: events, events: llmTraffic({ seed, events, endAt, spanMs: SPAN_MS, customers, models: MODELS }) };
}

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
  private readonly catalog = sampleCatalog();
  private readonly oracle = new Oracle(this.catalog);
  private readonly api: ApiReader;
  private readonly sender: Sender;
  private outage: Promise<Outage> | null = null;
  private state: ProgressState = { phase: 'streaming', done: 0, total: 0, lagSeconds: null };

  constructor(options: StreamOptions, installation: Installation) {
    this.options = options;
    this.installation = installation;
    const { url, apiKey } = installation;
    this.api = new ApiReader(url, apiKey);
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
    const now = Date.now();
    const { seed } = this.options;
    const { count, events } = plannedEvents(this.options, this.catalog, now);
    const settings: MishapSettings = { ...mishapShares, seed, batchEventsMax: 500, now };
    const { duplicateShare, conflictShare, brokenShare } = mishapShares;
    this.update({ total: Math.round(count * (1 + duplicateShare + conflictShare + brokenShare)) });

    const batches = recorded(deliver(events, settings), this.oracle, () => {
      const { sent } = this.sender.result;
      this.update({ done: sent });
      if (sent >= count / 2) this.killOnce(note);
    });
    const probe = new FreshnessProbe({
      api: this.api,
      send: (delivery: Delivery) => this.sender.send(delivery),
      onSent: ({ fate, event }) => this.oracle.record(fate, event),
      subject: customerNames([], 1)[0]!,
      model: MODELS[0]!,
      parallel: PROBES,
    });
    const startedAt = performance.now();
    const died = this.installation.ended.then((how) => {
      throw new Error(`tallyline up ${how} in the middle; the end of its log:\n${this.installation.logTail()}`);
    });
    died.catch(() => {});
    try {
      await Promise.race([this.sender.sendAll(batches), died]);
    } catch (error) {
      probe.stop().catch(() => {});
      throw error;
    }
    const seconds = (performance.now() - startedAt) / 1000;
    const { sent } = this.sender.result;
    this.update({ phase: 'counting', done: sent, total: sent });
    const outage = await this.killOnce(note);
    await probe.stop();
    return { seconds, freshness: splitByStandstill(probe.samples, outage) };
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
    // Every record sent has an append time before this, so a watermark past it stands for seals that hold them all.
    const drainedAt = Date.now();
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
    const closing = (watermark: number | null): number => Math.floor(((watermark ?? 0) - ALLOWED_LATENESS_MS) / 60_000);
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
