// One fuzzing campaign: a target is executed with generated and mutated inputs, first guided by the coverage they reach
// and then at full speed. What it finds is an input, so that it can become a fixed case.

import { Random } from '../../domain/random.ts';
import { Coverage } from './coverage.ts';
import { INPUT_BYTES_MAX, Mutator } from './mutation.ts';
import { startWatchdog } from './watchdog.ts';

export interface FuzzTarget {
  readonly name: string;
  readonly seeds: readonly Buffer[];
  /** Tokens that random bytes would hardly ever form. */
  readonly dictionary: readonly string[];
  /** Throws where the code under test does what it never may. The input is reused afterwards. */
  /** More than this of an execution is a finding; absent: a second. */
  readonly cpuMsMax?: number;
  execute(input: Buffer): void;
  /** Once in a while another structured input; what it returns is mutated as well. */
  generate?(random: Random): Buffer;
  /** What the executions so far came to, for the report. */
  tally(): Readonly<Record<string, number>>;
}

export interface CampaignOptions {
  readonly executions: number;
  readonly seed: number;
  /** How many of them are guided by coverage. */
  readonly guided: number;
  readonly isOurs: (url: string) => boolean;
  readonly onProgress?: (executions: number) => void;
  /** As soon as there is one: a campaign may take an hour. */
  readonly onFinding?: (finding: Finding) => void;
  /** Ends the campaign early, with what it came to. */
  readonly signal?: AbortSignal;
}

interface Finding {
  readonly error: string;
  readonly input: Buffer;
}

export interface CampaignResult {
  readonly executions: number;
  readonly seconds: number;
  readonly findings: readonly Finding[];
  readonly corpus: number;
  /** Characters of our own source (compiled) that were reached while the campaign was guided. */
  readonly reached: number;
  readonly slowestMs: number;
}

const FINDINGS_MAX = 20;
/** CPU time: a machine that does something else makes no execution slow. */
const CPU_MS_MAX = 1_000;
const BATCH = 2_000;
const PAUSE_EVERY = 20_000;
const GENERATE_OUT_OF = 8;

class Campaign {
  private readonly target: FuzzTarget;
  private readonly random: Random;
  private readonly mutator: Mutator;
  private readonly watchdog;
  readonly corpus: Buffer[];
  readonly findings: Finding[] = [];
  private readonly known = new Set<string>();
  private readonly onFinding: (finding: Finding) => void;
  executions = 0;
  slowestMs = 0;

  constructor(target: FuzzTarget, { seed, onFinding = () => {} }: CampaignOptions) {
    this.target = target;
    this.onFinding = onFinding;
    this.random = new Random(seed);
    this.mutator = new Mutator(this.random, target.dictionary);
    this.corpus = target.seeds.map((input) => Buffer.from(input));
    this.watchdog = startWatchdog(target.name);
  }

  get isOver(): boolean {
    return this.findings.length >= FINDINGS_MAX;
  }

  next(): Buffer {
    const { target, random } = this;
    if (target.generate !== undefined && random.once(GENERATE_OUT_OF)) {
      const made = target.generate(random).subarray(0, INPUT_BYTES_MAX);
      return random.once(2) ? made : this.mutator.mutate([made]);
    }
    return this.mutator.mutate(this.corpus);
  }

  run(input: Buffer): void {
    this.executions++;
    this.watchdog.begin(input);
    const before = process.cpuUsage();
    try {
      this.target.execute(input);
    } catch (error) {
      this.found(error instanceof Error ? (error.stack ?? error.message) : String(error), input);
    }
    const { user, system } = process.cpuUsage(before);
    const tookMs = (user + system) / 1_000;
    if (tookMs <= this.slowestMs) return;
    this.slowestMs = tookMs;
    if (tookMs > (this.target.cpuMsMax ?? CPU_MS_MAX)) this.found(`took ${Math.round(tookMs)} ms`, input);
  }

  /** Once for each place it comes from. */
  private found(error: string, input: Buffer): void {
    const place = error.split('\n').find((line) => line.includes('    at ')) ?? error.slice(0, 40);
    const key = `${error.slice(0, 24)}${place}`;
    if (this.known.has(key) || this.isOver) return;
    this.known.add(key);
    const finding = { error, input: Buffer.from(input) };
    this.findings.push(finding);
    this.onFinding(finding);
  }

  guide(coverage: Coverage, until: number): void {
    for (const input of this.corpus) this.run(input);
    coverage.keep(coverage.takeNew());
    while (this.executions < until && !this.isOver) {
      const batch = Array.from({ length: BATCH }, () => Buffer.from(this.next()));
      for (const input of batch) this.run(input);
      const found = coverage.takeNew();
      if (found !== null) this.locate(coverage, batch);
      // What needed the state an earlier input left behind is not found again by itself.
      coverage.keep(found);
    }
  }

  /** Runs the halves of a batch again until the inputs that reached something new stand alone. */
  private locate(coverage: Coverage, batch: readonly Buffer[]): void {
    for (const input of batch) this.run(input);
    const found = coverage.takeNew();
    if (found === null) return;
    if (batch.length === 1) {
      this.corpus.push(batch[0]!);
      coverage.keep(found);
      return;
    }
    this.locate(coverage, batch.slice(0, batch.length / 2));
    this.locate(coverage, batch.slice(batch.length / 2));
  }

  stop(): Promise<number> {
    this.watchdog.pause();
    return this.watchdog.stop();
  }
}

export async function fuzz(target: FuzzTarget, options: CampaignOptions): Promise<CampaignResult> {
  const startedAt = performance.now();
  const campaign = new Campaign(target, options);
  let reached = 0;
  try {
    if (options.guided > 0) {
      const coverage = new Coverage(options.isOurs);
      campaign.guide(coverage, Math.min(options.guided, options.executions));
      ({ reached } = coverage);
      coverage.stop();
    } else for (const input of campaign.corpus) campaign.run(input);
    while (campaign.executions < options.executions && !campaign.isOver && options.signal?.aborted !== true) {
      campaign.run(campaign.next());
      if (campaign.executions % PAUSE_EVERY !== 0) continue;
      options.onProgress?.(campaign.executions);
      // A signal is only heard while nothing is executed.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    await campaign.stop();
  }
  return {
    executions: campaign.executions,
    seconds: (performance.now() - startedAt) / 1000,
    findings: campaign.findings,
    corpus: campaign.corpus.length,
    reached,
    slowestMs: campaign.slowestMs,
  };
}
