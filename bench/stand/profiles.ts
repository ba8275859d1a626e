// CPU profiles of the processes of a bench, written when each of them ends.

let directory: string | null = null;

/** Where every process that is started from now on leaves its profile; null: none does. */
export function leaveProfilesIn(path: string | null): void {
  directory = path;
}

/** What node is to be told for that. */
export const profileArguments = (name: string): string[] =>
  directory === null
    ? []
    : ['--cpu-prof', `--cpu-prof-dir=${directory}`, `--cpu-prof-name=${name}-${Date.now()}.cpuprofile`];
