// What a bench is: a name, one or more variants that are measured side by side, and how large it is. Every variant of
// every run starts from stores that hold nothing of an earlier one.
import type { Stand } from './stand/stand.ts';

/** CPU time in microseconds by who used it, e.g. { gateway: 812000, kafka: 401000 }. */
export type CpuByStage = Readonly<Record<string, number>>;

/** One run of one variant. */
export interface Measurement {
  /** Events, or whatever the bench counts: requests, keys, line items, reads. */
  readonly events: number;
  /** Wall-clock time in which they were worked off. */
  readonly seconds: number;
  readonly cpuMicros: CpuByStage;
  /** The stages whose CPU time is `cpuMicrosPerEvent`; default: all of them. */
  readonly counted?: readonly string[];
  /** Figures of this bench alone, with their unit at the end of the name. */
  readonly details?: Readonly<Record<string, number>>;
}

export interface RunContext {
  readonly stand: Stand;
  /** How many events, keys, rows or windows. */
  readonly events: number;
  /** True in the smoke run: history, warm-up and durations are as small as they can be. */
  readonly isSmoke: boolean;
  /** Events a second that are offered, where a bench has a fixed rate; 0: as fast as they are taken. */
  readonly ratePerSecond: number;
}

interface Variant {
  /** "" where the bench has only one. */
  readonly name: string;
  measure(context: RunContext): Promise<Measurement>;
}

export interface Bench {
  readonly name: string;
  /** What `events` counts in this bench, in the plural. */
  readonly unit: string;
  /** One line for the list of benches. */
  readonly about: string;
  readonly events: { readonly full: number; readonly smoke: number };
  /** Runs unless told otherwise; 5 where a run takes minutes at most. */
  readonly runs?: number;
  /** Offered events a second unless told otherwise; absent: as fast as they are taken. */
  readonly ratePerSecond?: { readonly full: number; readonly smoke: number };
  readonly needsKafka?: true;
  readonly variants: readonly Variant[];
  /** Figures that compare variants, from their medians; they go to the line of the last variant. */
  compare?(summaries: ReadonlyMap<string, Summary>): Readonly<Record<string, number>>;
}

/** Medians over the runs of a variant, and between which bounds the runs lay: one JSON line. */
export interface Summary {
  readonly bench: string;
  readonly variant: string;
  readonly unit: string;
  readonly runs: number;
  readonly events: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  readonly cpuMicrosPerEvent: number;
  readonly cpuMicrosPerEventByStage: Readonly<Record<string, number>>;
  readonly min: Readonly<Record<string, number>>;
  readonly max: Readonly<Record<string, number>>;
  readonly details: Readonly<Record<string, number>>;
}
