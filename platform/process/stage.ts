// What a stage is given and what it gives back. `main.ts` of each stage is `start(context): Promise<Stage>`.
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Settings } from '../settings/settings.ts';

export interface StageContext {
  readonly settings: Settings;
  readonly logger: Logger;
  /** The stage registers its metrics here; the process serves it at /metrics. */
  readonly registry: Registry;
  /** Milliseconds since the epoch. The only clock a stage may use; core/ gets its value as an argument. */
  readonly clock: () => number;
}

export interface Stage {
  readonly name: string;
  /** For /readyz: null when ready, else the reason it is not, in words an operator can act on. */
  notReady(): string | null;
  /** What is wrong that does not keep it from its work, or from most of it; shown by /readyz, which stays as it is. */
  degraded?(): string | null;
  /** Rejects when the stage can't go on; the process then exits 1. Never resolves. */
  readonly failed: Promise<never>;
  /** Drains: finishes what was accepted, then releases every resource. */
  stop(): Promise<void>;
}
