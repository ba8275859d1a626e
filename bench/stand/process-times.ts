// CPU time and memory of the processes of a bench, read from /proc, so that nothing has to be built into what is
// measured.
//
// A process counts for the role of its nearest ancestor (or itself) that has one. CPU time is that of the process and
// of its children that ended, to 10 ms; what stands in /proc is what getrusage counts.
import { readdirSync, readFileSync } from 'node:fs';
import type { CpuByStage } from '../bench.ts';

/** Linux counts in hundredths of a second here, on every architecture there is. */
const MICROS_PER_TICK = 10_000;
const PAGE_BYTES = 4_096;

interface ProcessEntry {
  readonly parent: number;
  readonly cpuMicros: number;
}

/** The fields behind the name of the program, which may hold blanks and parentheses itself. */
function readEntry(pid: string): ProcessEntry | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
    return { parent: Number(fields[1]), cpuMicros: ticks * MICROS_PER_TICK };
  } catch {
    // It has ended since the directory was read.
    return null;
  }
}

/**
 * Resident memory that the process shares with none: the buffers of a Postgres server are mapped by each of its
 * processes.
 */
function ownBytes(pid: number): number {
  try {
    const [, resident, shared] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ');
    return (Number(resident) - Number(shared)) * PAGE_BYTES;
  } catch {
    return 0;
  }
}

function readProcesses(): Map<number, ProcessEntry> {
  const processes = new Map<number, ProcessEntry>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const entry = readEntry(name);
    if (entry !== null) processes.set(Number(name), entry);
  }
  return processes;
}

export class ProcessTimes {
  private readonly roles = new Map<number, string>();

  constructor() {
    if (process.platform !== 'linux') {
      throw new Error(`CPU time of other processes is read from /proc, which ${process.platform} does not have`);
    }
  }

  /** Counts a process and its descendants under a name. */
  add(pid: number, role: string): void {
    this.roles.set(pid, role);
  }

  remove(pid: number): void {
    this.roles.delete(pid);
  }

  private roleOf(pid: number, processes: ReadonlyMap<number, ProcessEntry>): string | null {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = processes.get(at)?.parent) {
      const role = this.roles.get(at);
      if (role !== undefined) return role;
    }
    return null;
  }

  private sum(of: (entry: ProcessEntry, pid: number) => number): Record<string, number> {
    const processes = readProcesses();
    const sums: Record<string, number> = {};
    for (const [pid, entry] of processes) {
      const role = this.roleOf(pid, processes);
      if (role !== null) sums[role] = (sums[role] ?? 0) + of(entry, pid);
    }
    return sums;
  }

  /** The CPU time that each role has used so far, in microseconds. */
  cpuMicros(): CpuByStage {
    return this.sum(({ cpuMicros }) => cpuMicros);
  }

  /** The memory of each role now, without what its processes share. */
  memoryBytes(): Readonly<Record<string, number>> {
    return this.sum((_, pid) => ownBytes(pid));
  }

  /** The CPU time that each role uses from now on, whenever the returned function is called. */
  start(): () => CpuByStage {
    const before = this.cpuMicros();
    return () => {
      const after = this.cpuMicros();
      return Object.fromEntries(Object.entries(after).map(([role, micros]) => [role, micros - (before[role] ?? 0)]));
    };
  }
}
