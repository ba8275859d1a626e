// The lines that benches left behind in bench/results: the newest of each bench and variant is the one that counts.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFile } from '../platform/process/project-root.ts';
import type { Summary } from './bench.ts';
import type { Machine } from './machine.ts';

export interface ResultLine extends Summary {
  readonly size: 'full' | 'smoke';
  readonly machine: Machine;
  readonly at: string;
}

export class Results {
  private readonly lines: readonly ResultLine[];

  constructor(lines: readonly ResultLine[]) {
    this.lines = lines;
  }

  /** Of full runs; null where there is none. */
  find(bench: string, variant = ''): ResultLine | null {
    const found = this.lines.filter((line) => line.bench === bench && line.variant === variant && line.size === 'full');
    return found.reduce<ResultLine | null>((last, line) => (last === null || line.at > last.at ? line : last), null);
  }
}

export function parseResults(texts: readonly string[]): Results {
  const lines = texts.flatMap((text) => text.split('\n').filter((line) => line.trim() !== ''));
  return new Results(
    lines
      .map((line) => JSON.parse(line) as ResultLine & { skipped?: string })
      .filter((line) => line.skipped === undefined),
  );
}

const RESULTS_DIRECTORY = 'bench/results';

export function readResults(): Results {
  const directory = projectFile(RESULTS_DIRECTORY);
  const files = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.jsonl')) : [];
  if (files.length === 0) {
    throw new Error(
      `${RESULTS_DIRECTORY} holds no results: npm run bench -- NAME --json ${RESULTS_DIRECTORY}/here.jsonl`,
    );
  }
  return parseResults(files.sort().map((name) => readFileSync(join(directory, name), 'utf8')));
}
