// A process that hangs: it and all its children are stopped where they are, and go on from there.
import { readdirSync, readFileSync } from 'node:fs';

/** The process and its children, by /proc. */
function family(pid: number): number[] {
  const parents = readdirSync('/proc')
    .map(Number)
    .filter(Number.isInteger)
    .flatMap((each) => {
      try {
        // The name of the program, in brackets, may hold anything.
        const afterName = readFileSync(`/proc/${each}/stat`, 'utf8').split(') ').at(-1)!;
        return [{ pid: each, parent: Number(afterName.split(' ')[1]) }];
      } catch {
        return [];
      }
    });
  return [pid, ...parents.filter(({ parent }) => parent === pid).map((child) => child.pid)];
}

/** Stops it; the result lets it go on. */
export function freeze(pid: number): () => void {
  // The parent first: it would start what is missing.
  const stopped = family(pid);
  for (const each of stopped) process.kill(each, 'SIGSTOP');
  return () => {
    for (const each of stopped) process.kill(each, 'SIGCONT');
  };
}
