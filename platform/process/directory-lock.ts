// One process at a time on a directory. The lock is a file that names its holder by pid and start time, so that a lock
// left by a killed process is known as such, even when its pid was given out again.
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startTimeOf } from './process-probe.ts';
import { systemFault } from './system-fault.ts';

interface Holder {
  readonly pid: number;
  readonly startTime: string | null;
}

function readHolder(file: string): Holder | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Holder;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    // Cut off by a crash: nobody holds it.
    if (error instanceof SyntaxError) return { pid: 0, startTime: null };
    throw error;
  }
}

/** Others may pass through (an embedded Postgres does, as another user), but not look around. */
const MODE = 0o711;

/** Level by level: mkdir's own `recursive` never returns where a file system takes no directories (/proc). */
function makeDirectory(directory: string): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return;
  if (dirname(directory) !== directory) makeDirectory(dirname(directory));
  try {
    mkdirSync(directory, { mode: MODE });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Another process was faster.
    if (code === 'EEXIST' && statSync(directory).isDirectory()) return;
    throw new Error(
      `the directory ${directory} can't be made (${code}): ${systemFault(error) ?? 'choose another data directory'}`,
    );
  }
}

/** Takes the lock and returns what releases it. Throws, naming the holder, when another living process has it. */
export function lockDirectory(directory: string): () => void {
  makeDirectory(directory);
  const file = join(directory, 'lock');
  const own: Holder = { pid: process.pid, startTime: startTimeOf(process.pid) };
  const unlinked = join(directory, `lock.${process.pid}`);
  writeFileSync(unlinked, JSON.stringify(own), { mode: 0o600 });
  try {
    for (;;) {
      try {
        // A link appears whole or not at all, and only where there is none.
        linkSync(unlinked, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = readHolder(file);
      if (holder !== null && holder.startTime !== null && startTimeOf(holder.pid) === holder.startTime) {
        throw new Error(
          `${directory} is in use by process ${holder.pid}: end that one, or choose another data directory`,
        );
      }
      if (holder !== null) unlinkSync(file);
    }
  } finally {
    rmSync(unlinked, { force: true });
  }
}
