// One member of a group: keeps its heartbeat and holds exactly the loops of its partitions. After a change of
// membership a member first ends the loops it lost and says so; nobody starts what it gained before all have said so. A
// partition that stays with its member is not interrupted. A member that could not keep its heartbeat gives everything
// up and joins anew.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Consumption, PartitionHandler } from '../event-log.ts';
import { WakeSignal } from '../wake-signal.ts';
import { postgresFailure } from './failures.ts';
import { type GroupView, Membership } from './membership.ts';
import type { Notifications } from './notifications.ts';
import { PartitionDelivery } from './partition-delivery.ts';
import type { PageBounds } from './reader.ts';
import type { Topic } from './topic.ts';

export interface PostgresConsumptionOptions {
  readonly pool: pg.Pool;
  readonly topic: Topic;
  readonly notifications: Notifications;
  readonly logger: Logger;
  readonly pageBounds: PageBounds;
  readonly pollMs: number;
  readonly retryMs: number;
  readonly heartbeatMs: number;
  readonly leaseMs: number;
}

export class PostgresConsumption implements Consumption {
  readonly failed: Promise<never>;
  private readonly options: PostgresConsumptionOptions;
  private readonly handler: PartitionHandler;
  private readonly membership: Membership;
  private readonly loops = new Map<number, PartitionDelivery>();
  private readonly signal = new WakeSignal();
  private readonly fail: (error: unknown) => void;
  private readonly unlisten: () => void;
  private readonly run: Promise<void>;
  private settledGeneration = 0;
  private stopping = false;

  private constructor(options: PostgresConsumptionOptions, handler: PartitionHandler, membership: Membership) {
    this.options = options;
    this.handler = handler;
    this.membership = membership;
    let fail: (error: unknown) => void = () => undefined;
    this.failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    // Whoever stops without asking for `failed` must not end the process by it.
    this.failed.catch(() => undefined);
    this.fail = fail;
    this.unlisten = options.notifications.listen((partitions) => {
      if (partitions === null) this.signal.wake();
      else for (const partition of partitions) this.loops.get(partition)?.wake();
    });
    this.run = this.keep();
  }

  static async start(
    options: PostgresConsumptionOptions,
    group: string,
    handler: PartitionHandler,
  ): Promise<PostgresConsumption> {
    const membership = new Membership(options.pool, options.topic, group, randomUUID(), options.leaseMs);
    try {
      await membership.join();
    } catch (error) {
      throw postgresFailure(error, `join the group ${group} of ${options.topic.name}`);
    }
    options.notifications.membersChanged();
    return new PostgresConsumption(options, handler, membership);
  }

  commit(): void {
    // Nothing reads a committed offset here: progress is in chunk_seals, and lag tools ask the query API.
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.signal.wake();
    await this.run;
  }

  private async keep(): Promise<void> {
    const { logger, heartbeatMs, retryMs } = this.options;
    while (!this.stopping) {
      try {
        const view = await this.membership.beat(this.settledGeneration, this.options.notifications.sessionPid);
        if (view === null) await this.rejoin();
        else this.follow(view);
        await this.signal.wait(heartbeatMs);
      } catch (error) {
        logger.warn({ err: error }, 'the group of the event log cannot be reached; trying again');
        await this.signal.wait(retryMs);
      }
    }
    this.unlisten();
    for (const loop of this.loops.values()) loop.stop();
    await Promise.all([...this.loops.values()].map((loop) => loop.ended));
    try {
      await this.membership.leave();
      this.options.notifications.membersChanged();
    } catch (error) {
      logger.warn({ err: error }, 'could not leave the group; the others take over when the lease runs out');
    }
  }

  private follow(view: GroupView): void {
    for (const loop of this.loops.values()) if (!view.partitions.has(loop.partition)) loop.stop();
    const holdsLost = [...this.loops.keys()].some((partition) => !view.partitions.has(partition));
    if (holdsLost) return;
    if (this.settledGeneration !== view.generation) {
      this.settledGeneration = view.generation;
      this.signal.wake();
      return;
    }
    if (!view.settled) return;
    for (const partition of view.partitions) if (!this.loops.has(partition)) this.open(partition);
  }

  private open(partition: number): void {
    const loop = new PartitionDelivery(partition, { ...this.options, handler: this.handler });
    this.loops.set(partition, loop);
    void loop.ended.then((error) => {
      this.loops.delete(partition);
      if (error !== undefined) {
        this.fail(error);
        this.stopping = true;
      }
      this.signal.wake();
    });
  }

  /** Others may have had every partition meanwhile, so none goes on where it was. */
  private async rejoin(): Promise<void> {
    this.options.logger.warn('the lease in the group of the event log ran out; joining anew');
    for (const loop of this.loops.values()) loop.stop();
    await Promise.all([...this.loops.values()].map((loop) => loop.ended));
    this.settledGeneration = 0;
    await this.membership.join();
    this.options.notifications.membersChanged();
    this.signal.wake();
  }
}
