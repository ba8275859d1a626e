// <data-dir>/stages.json: what runs under `tallyline up` and where, for tools and for the other commands. Mode 600,
// since the addresses of the embedded stores hold their passwords. Written whole or not at all.
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { workerNames } from './stage-table.ts';

interface RunningProcess {
  readonly pid: number;
  /** HTTP of a stage; of a store, the address to connect to, password included. */
  readonly url: string;
}

/**
 * What `up` keeps running, in the order in which it is drained: a stage before the stores it needs. Stores only where
 * they are embedded.
 */
export const keptNames = ['edge', ...workerNames, 'clickhouse', 'postgres'] as const;
export type KeptName = (typeof keptNames)[number];

export type StagesFile = { readonly [Name in KeptName]?: RunningProcess } & {
  readonly supervisor?: { readonly pid: number };
};

export function writeStagesFile(dataDir: string, stages: StagesFile): void {
  const file = join(dataDir, 'stages.json');
  writeFileSync(`${file}.new`, `${JSON.stringify(stages, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function removeStagesFile(dataDir: string): void {
  rmSync(join(dataDir, 'stages.json'), { force: true });
}
