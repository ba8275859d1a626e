// Tells whether a process that an earlier run started is still there. A pid alone is no proof, since the system gives
// pids out again: its command line must name what it was started for.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

function commandLine(pid: number): string | null {
  if (process.platform === 'linux') {
    try {
      // Empty for a zombie, which counts as gone.
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    } catch {
      return null;
    }
  }
  const { status, stdout } = spawnSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' });
  return status === 0 ? stdout : null;
}

/** True when a process `pid` runs whose command line contains `marker`. */
export function isRunning(pid: number, marker: string): boolean {
  return pid > 0 && (commandLine(pid)?.includes(marker) ?? false);
}

/** Resolves once `isRunning` is false, to true; to false when `timeoutMs` have passed first. */
export async function waitUntilGone(pid: number, marker: string, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isRunning(pid, marker)) {
    if (Date.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return true;
}

/**
 * When a process started, in the system's own terms; with the pid it names a process for good. Null: it does not run.
 */
export function startTimeOf(pid: number): string | null {
  if (process.platform === 'linux') {
    try {
      // The name of the program, in parentheses, may hold spaces; the state and the rest follow its last parenthesis.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return fields[0] === 'Z' ? null : (fields[19] ?? null);
    } catch {
      return null;
    }
  }
  const { status, stdout } = spawnSync('ps', ['-p', String(pid), '-o', 'lstart='], { encoding: 'utf8' });
  return status === 0 && stdout.trim() !== '' ? stdout.trim() : null;
}
