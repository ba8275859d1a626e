// On what machine, and how busy it was, a figure was measured: it stands in every line.
import { cpus, loadavg, totalmem } from 'node:os';
import { rounded } from './statistics.ts';

export interface Machine {
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGB: number;
  /** Of the last minute, when the bench began: above a few tenths, another program took part. */
  readonly loadAverage: number;
}

export function machine(): Machine {
  const all = cpus();
  return {
    node: process.versions.node,
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGB: rounded(totalmem() / 1e9, 3),
    loadAverage: rounded(loadavg()[0]!, 3),
  };
}

export const describeMachine = (one: Machine): string =>
  `Node ${one.node}, ${one.cores} cores (${one.cpu}), ${one.memoryGB} GB, load average ${one.loadAverage} at the start`;
