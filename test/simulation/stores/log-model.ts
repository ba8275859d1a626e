// The event log as a model: partitions of records with the broker's append times, a consumer group that moves
// partitions about, and the faults a log may have without breaking its contract.

import type { Random } from '../../../domain/random.ts';
import {
  type Consumption,
  type EventLog,
  EventLogError,
  type LogRecord,
  type PartitionBounds,
  type PartitionHandler,
} from '../../../platform/event-log/event-log.ts';
import { Network } from '../network.ts';
import type { Process, Scheduler } from '../scheduler.ts';

interface LogPartition {
  /** All there ever was; the log holds those from `startOffset` on. */
  readonly records: LogRecord[];
  startOffset: number;
  endOffset: number;
  /** How far the broker's clock is off for this partition, milliseconds. */
  clockOffsetMs: number;
  /** The next append leaves this many offsets out, as a transaction's markers do. */
  gap: number;
  /** How often the next append is written more than once. */
  copies: number;
  owner: Member | null;
  readonly waiting: Set<() => void>;
}

export class LogModel {
  readonly partitions: LogPartition[];
  readonly network: Network;
  private readonly scheduler: Scheduler;
  private readonly random: Random;
  private readonly members = new Set<Member>();
  /** Offsets as the group was told; stale and out of order, as nobody may rely on them. */
  readonly committed: number[];
  onAppend: (partition: number, record: LogRecord) => void = () => {};

  constructor(partitions: number, scheduler: Scheduler, random: Random) {
    this.scheduler = scheduler;
    this.random = random;
    this.network = new Network('log', scheduler, random.fork('network'), {
      refused: () => new EventLogError('unavailable', 'the log refused (simulated)'),
      unanswered: () => new EventLogError('unavailable', 'the log did not answer (simulated)'),
    });
    this.partitions = Array.from({ length: partitions }, () => ({
      records: [],
      startOffset: 0,
      endOffset: 0,
      clockOffsetMs: 0,
      gap: 0,
      copies: 0,
      owner: null,
      waiting: new Set(),
    }));
    this.committed = this.partitions.map(() => 0);
  }

  write(partition: number, values: readonly Buffer[]): void {
    const held = this.partitions[partition]!;
    held.endOffset += held.gap;
    held.gap = 0;
    const times = 1 + held.copies;
    held.copies = 0;
    for (let copy = 0; copy < times; copy++) {
      for (const value of values) {
        const appendTime = this.scheduler.now + held.clockOffsetMs;
        const record: LogRecord = { offset: held.endOffset++, appendTime, value };
        held.records.push(record);
        this.scheduler.note('append', partition, record.offset);
        this.onAppend(partition, record);
      }
    }
    for (const wake of [...held.waiting]) wake();
  }

  /** Records from `offset` on; empty at the end. Throws where the log does not hold the offset. */
  read(partition: number, offset: number, recordsMax: number): LogRecord[] {
    const { records, startOffset, endOffset } = this.partitions[partition]!;
    if (offset < startOffset || offset > endOffset) {
      throw new EventLogError('offset_out_of_range', `offset ${offset} is not in ${startOffset} to ${endOffset}`);
    }
    let low = 0;
    let high = records.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (records[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    return records.slice(low, low + recordsMax);
  }

  /** The log as one process reaches it. */
  clientOf(process: Process): EventLog {
    const { network } = this;
    return {
      topicId: 'simulated',
      partitions: this.partitions.length,
      append: (partition, values) =>
        network.call<void>(process, `append ${partition}`, (reply) => {
          this.write(partition, values);
          reply({ value: undefined });
        }),
      bounds: () =>
        network.call<readonly PartitionBounds[]>(process, 'bounds', (reply) =>
          reply({
            value: this.partitions.map(({ startOffset, endOffset }, partition) => ({
              partition,
              startOffset,
              endOffset,
            })),
          }),
        ),
      consume: async (_group, handler) => this.join(process, handler),
      close: async () => {},
    };
  }

  private join(process: Process, handler: PartitionHandler): Consumption {
    const member = new Member(this, process, handler, this.scheduler, this.random.fork(`member ${process.name}`));
    this.members.add(member);
    this.scheduler.after(this.random.int(100, 3_000), () => this.balance(), 'join');
    return member;
  }

  /** The group has noticed that a member is gone (or takes it for gone): its partitions go to the others. */
  expel(process: Process): void {
    for (const member of this.members) if (member.process === process) this.leave(member);
  }

  leave(member: Member): void {
    if (!this.members.delete(member)) return;
    for (const partition of this.partitions) if (partition.owner === member) partition.owner = null;
    this.balance();
  }

  /** A member that was taken for gone and is back. */
  readmit(process: Process, member: Member): void {
    if (!process.isAlive || this.members.has(member)) return;
    this.members.add(member);
    this.balance();
  }

  memberOf(process: Process): Member | null {
    for (const member of this.members) if (member.process === process) return member;
    return null;
  }

  /** Gives the partitions that are nobody's to those who have least, and evens out. */
  balance(): void {
    const members = [...this.members].filter((member) => member.process.isAlive);
    if (members.length === 0) return;
    const most = Math.ceil(this.partitions.length / members.length);
    const counts = new Map(members.map((member) => [member, 0]));
    for (const [partition, { owner }] of this.partitions.entries()) {
      if (owner === null || !counts.has(owner)) continue;
      const count = counts.get(owner)! + 1;
      if (count > most) this.assign(partition, null);
      else counts.set(owner, count);
    }
    for (const [partition, { owner }] of this.partitions.entries()) {
      if (owner !== null && counts.has(owner)) continue;
      const least = members.reduce((a, b) => (counts.get(b)! < counts.get(a)! ? b : a));
      counts.set(least, counts.get(least)! + 1);
      this.assign(partition, least);
    }
  }

  /** The old owner learns late: until then it reads and writes on. */
  assign(partition: number, member: Member | null): void {
    const held = this.partitions[partition]!;
    const before = held.owner;
    if (before === member) return;
    held.owner = member;
    this.scheduler.note(`assign to ${member?.process.name ?? 'nobody'}`, partition);
    if (before !== null) {
      this.scheduler.after(this.random.spread(1, 20_000), () => before.revoke(partition), 'revoke', before.process);
    }
    if (member !== null) {
      this.scheduler.after(this.random.spread(1, 3_000), () => member.assign(partition), 'assign', member.process);
    }
  }

  /** Moves a partition to another member. */
  move(partition: number): void {
    const others = [...this.members].filter((member) => member !== this.partitions[partition]!.owner);
    if (others.length > 0) this.assign(partition, this.random.pick(others));
  }
}

interface Feed {
  isStopping: boolean;
  wake: () => void;
}

/** One member of the group. As the real ones do, it tells its handler of one partition one thing at a time. */
class Member implements Consumption {
  readonly process: Process;
  readonly failed: Promise<never>;
  private readonly log: LogModel;
  private readonly handler: PartitionHandler;
  private readonly scheduler: Scheduler;
  private readonly random: Random;
  private readonly feeds = new Map<number, Feed>();
  private readonly wanted = new Set<number>();
  private fail: (error: unknown) => void = () => {};
  private isStopped = false;

  constructor(log: LogModel, process: Process, handler: PartitionHandler, scheduler: Scheduler, random: Random) {
    this.log = log;
    this.process = process;
    this.handler = handler;
    this.scheduler = scheduler;
    this.random = random;
    this.failed = new Promise<never>((_, reject) => {
      this.fail = reject;
    });
    this.failed.catch(() => {});
  }

  commit(partition: number, nextOffset: number): void {
    this.log.committed[partition] = nextOffset;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    for (const partition of [...this.feeds.keys()]) this.revoke(partition);
    this.log.leave(this);
  }

  assign(partition: number): void {
    if (this.isStopped) return;
    this.wanted.add(partition);
    if (!this.feeds.has(partition)) this.open(partition);
  }

  revoke(partition: number): void {
    // Given back meanwhile: even so it is begun anew, because another may have had it.
    if (this.log.partitions[partition]!.owner !== this) this.wanted.delete(partition);
    const feed = this.feeds.get(partition);
    if (feed === undefined) return;
    feed.isStopping = true;
    feed.wake();
  }

  private open(partition: number): void {
    const feed: Feed = { isStopping: false, wake: () => {} };
    this.feeds.set(partition, feed);
    this.run(partition, feed).then(
      () => this.closed(partition),
      (error: unknown) => {
        this.closed(partition);
        this.fail(error);
      },
    );
  }

  private closed(partition: number): void {
    this.feeds.delete(partition);
    if (this.wanted.has(partition) && !this.isStopped) this.open(partition);
  }

  private async run(partition: number, feed: Feed): Promise<void> {
    try {
      let offset = await this.handler.assigned(partition);
      while (!feed.isStopping) {
        const records = await this.fetch(partition, offset, feed);
        if (feed.isStopping || records.length === 0) continue;
        offset = (await this.handler.records(partition, records)) ?? records.at(-1)!.offset + 1;
      }
    } finally {
      await this.handler.revoked(partition);
    }
  }

  private fetch(partition: number, offset: number, feed: Feed): Promise<LogRecord[]> {
    const { log, scheduler, process } = this;
    return new Promise((resolve, reject) => {
      const held = log.partitions[partition]!;
      const answer = (): void => {
        feed.wake = () => {};
        try {
          const records = log.read(partition, offset, this.random.spread(1, 40));
          if (records.length > 0 || feed.isStopping) resolve(records);
          else wait();
        } catch (error) {
          reject(error);
        }
      };
      const wake = (): void => {
        held.waiting.delete(wake);
        feed.wake = () => {};
        scheduler.after(log.network.latency(), answer, 'fetch', process);
      };
      const wait = (): void => {
        held.waiting.add(wake);
        feed.wake = wake;
      };
      if (offset === held.endOffset) wait();
      else scheduler.after(log.network.latency(), answer, 'fetch', process);
    });
  }
}

export type { Member };
