// Random faults, one seed for all: processes are killed, or stopped for a while and continued, and started again. Of
// the stores at most one is away at a time, since the promise is about one thing failing after another; stages go as
// they go.
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../../domain/random.ts';
import type { Deployment } from './deployment.ts';
import type { ManagedProcess } from './managed-process.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** Told of every fault as it begins. */
  readonly onFault: (line: string) => void;
  /** The mean time from one fault to the next, milliseconds. */
  readonly everyMs?: number;
}

/** A silent member of the group loses its partitions after 20 s; one that is continued later finds them gone. */
const ZOMBIE_MIN_MS = 22_000;
const ZOMBIE_MAX_MS = 32_000;
const FAULTS_AT_ONCE_MAX = 3;

interface Victim {
  readonly process: ManagedProcess;
  readonly weight: number;
  readonly isStore: boolean;
}

export class Chaos {
  readonly kills = new Map<string, number>();
  readonly pauses = new Map<string, number>();
  /** Aggregators that were silent for longer than the group waits. */
  zombies = 0;
  private readonly options: ChaosOptions;
  private readonly random: Random;
  private readonly victims: readonly Victim[];
  private readonly underWay = new Map<string, Promise<void>>();
  private storeAway = false;
  private loop: Promise<void> = Promise.resolve();
  private stopping = new AbortController();

  constructor(deployment: Deployment, options: ChaosOptions) {
    this.options = options;
    this.random = new Random(options.seed).fork('chaos');
    const weights: Record<string, number> = {
      aggregator: 4,
      ingest: 3,
      rater: 3,
      query: 1,
      kafka: 2,
      clickhouse: 3,
      postgres: 3,
    };
    this.victims = [...deployment.processes.values()].map((process) => {
      const kind = process.name.replace(/-\d+$/, '');
      return { process, weight: weights[kind]!, isStore: ['kafka', 'clickhouse', 'postgres'].includes(kind) };
    });
  }

  start(): void {
    this.stopping = new AbortController();
    this.loop = this.run(this.stopping.signal);
    this.loop.catch(() => undefined);
  }

  /** Begins no new fault; resolves once every process serves again. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
    await Promise.all(this.underWay.values());
  }

  private async run(signal: AbortSignal): Promise<void> {
    const { random, options } = this;
    while (!signal.aborted) {
      await delay(random.exponential(options.everyMs ?? 4_000), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      if (this.underWay.size >= FAULTS_AT_ONCE_MAX) continue;
      const free = this.victims.filter(
        ({ process, isStore }) => !this.underWay.has(process.name) && process.isServing && !(isStore && this.storeAway),
      );
      const victim = this.pick(free);
      if (victim === null) continue;
      const { name } = victim.process;
      const fault = this.fault(victim).finally(() => this.underWay.delete(name));
      this.underWay.set(name, fault);
    }
  }

  private pick(victims: readonly Victim[]): Victim | null {
    let target = this.random.next() * victims.reduce((sum, { weight }) => sum + weight, 0);
    for (const victim of victims) {
      target -= victim.weight;
      if (target < 0) return victim;
    }
    return null;
  }

  private async fault({ process, isStore }: Victim): Promise<void> {
    const { random } = this;
    const { name } = process;
    if (isStore) this.storeAway = true;
    try {
      if (random.chance(0.55)) {
        const downMs = random.chance(0.5) ? 0 : random.next() * (isStore ? 4_000 : 8_000);
        this.note(this.kills, name, `kill -9 ${name}, started again after ${(downMs / 1000).toFixed(1)} s`);
        await process.kill();
        await delay(downMs);
        await process.start();
        return;
      }
      const isZombie = name.startsWith('aggregator') && random.chance(0.5);
      const pauseMs = isZombie
        ? ZOMBIE_MIN_MS + random.next() * (ZOMBIE_MAX_MS - ZOMBIE_MIN_MS)
        : 200 + random.next() * 7_000;
      if (isZombie) this.zombies++;
      this.note(this.pauses, name, `SIGSTOP ${name}, SIGCONT after ${(pauseMs / 1000).toFixed(1)} s`);
      process.pause();
      await delay(pauseMs);
      process.resume();
    } finally {
      if (isStore) this.storeAway = false;
    }
  }

  private note(counts: Map<string, number>, name: string, line: string): void {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    this.options.onFault(line);
  }
}
