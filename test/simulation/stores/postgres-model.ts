// Postgres as a model: transactions whose writes appear at once when they commit, row locks that are held until then,
// and connections that may break before or after. Behind it are the ports of the aggregator (seals) and of the rater
// (money).
import type { RepairOutcome, RepairRequest, RepairRequests } from '../../../aggregator/chunk-repairs.ts';
import type { PartitionProgress, Seal, SealTables, SealTransaction } from '../../../aggregator/seal-store.ts';
import type { CatalogVersion } from '../../../domain/catalog/catalog.ts';
import { TenantVersions } from '../../../domain/catalog/tenant-versions.ts';
import { FIRST_RULE_SET } from '../../../domain/metering/rule-set.ts';
import type { Random } from '../../../domain/random.ts';
import { Network } from '../network.ts';
import type { Process, Scheduler } from '../scheduler.ts';
import { RecountModel } from './recount-model.ts';

/** As pg reports them: what is transient is told by the code. */
function postgresError(message: string, code: string | null): Error {
  const error = new Error(`${message} (simulated)`);
  if (code !== null) (error as { code?: string }).code = code;
  return error;
}

export type CommitFault = 'before' | 'after' | 'serialisation';

/** A server session in a transaction. */
interface Session {
  /** Whether the server leaves it alone that says nothing: it has no transaction open. */
  readonly mayIdle: boolean;
  isBroken: boolean;
  /** When the client was heard last. */
  heardAt: number;
  readonly locks: string[];
  /** Locks that others may share. */
  readonly shared: Set<string>;
  readonly writes: (() => void)[];
}

/** How a port's transaction reaches the server. */
export interface Statements {
  /** Runs at the server, on what is committed at that moment. */
  run<Result>(what: string, work: () => Result): Promise<Result>;
  /** Takes locks one after the other, waiting for each, then runs `work`. */
  locked<Result>(what: string, keys: readonly string[], work: () => Result): Promise<Result>;
  /** Takes locks that others may share: nobody takes such a one alone for longer than a statement. */
  share(what: string, keys: readonly string[]): Promise<void>;
  /** To be done when the transaction commits. */
  write(what: string, work: () => void): Promise<void>;
}

const LOCK_WAIT_MAX_MS = 60_000;
const IDLE_MAX_MS = 60_000;

export class PostgresModel {
  readonly network: Network;
  readonly partitions: number;
  readonly scheduler: Scheduler;
  readonly progress: PartitionProgress[];
  /** What the owner of each partition said under which epoch. */
  readonly known: { readonly epoch: bigint; readonly ruleSet: number }[];
  readonly seals: Seal[][];
  readonly recounts: RecountModel;
  readonly horizonMs: number;
  reopenedSeals = 0;
  published: number | null = null;
  /** Of the default. */
  readonly catalogVersions: CatalogVersion[] = [];
  /** Of tenants with a catalog of their own. */
  readonly ownVersions = new Map<string, CatalogVersion[]>();
  /** Of whoever's catalog. */
  private readonly publishedNumbers = new Set<number>();
  /** Whose versions are stored, however often they are sent. */
  readonly storedChanges = new Set<object>();
  onSeal: (seal: Seal) => void = () => {};
  onPublish: (watermark: number) => void = () => {};
  /** Told of the first of the chunks whose seals are taken back. */
  onReopen: (seal: Seal) => void = () => {};
  private readonly locks = new Map<string, { holder: Session; readonly waiting: (() => void)[] }>();
  private readonly repairs = new Map<string, { readonly request: RepairRequest; outcome: RepairOutcome | null }>();
  private readonly sessions = new Set<Session>();
  private readonly commitFaults: CommitFault[] = [];

  get tenantVersions(): TenantVersions {
    return new TenantVersions(this.catalogVersions, this.ownVersions);
  }

  /** `tenant` null: of the default. */
  storeVersion(tenant: string | null, version: CatalogVersion): void {
    const versions = tenant === null ? this.catalogVersions : (this.ownVersions.get(tenant) ?? []);
    versions.push(version);
    if (tenant !== null) this.ownVersions.set(tenant, versions);
  }

  get publishedVersion(): number {
    return Math.max(0, ...this.publishedNumbers);
  }

  /** Ascending. */
  unpublishedVersions(): number[] {
    const all = [this.catalogVersions, ...this.ownVersions.values()].flat();
    const open = all.map(({ version }) => version).filter((version) => !this.publishedNumbers.has(version));
    return open.sort((a, b) => a - b);
  }

  notePublished(version: number): void {
    this.publishedNumbers.add(version);
  }

  constructor(partitions: number, scheduler: Scheduler, random: Random, horizonMs: number) {
    this.horizonMs = horizonMs;
    this.scheduler = scheduler;
    this.partitions = partitions;
    this.network = new Network('postgres', scheduler, random.fork('network'), {
      refused: () => postgresError('connection refused', null),
      unanswered: () => postgresError('connection terminated unexpectedly', null),
    });
    this.progress = Array.from({ length: partitions }, () => ({
      epoch: 0n,
      nextOffset: 0,
      nextChunk: 0,
      partitionTime: null,
      catalogVersion: 0,
    }));
    this.seals = this.progress.map(() => []);
    this.recounts = new RecountModel(this);
    this.known = this.progress.map(() => ({ epoch: 0n, ruleSet: FIRST_RULE_SET }));
  }

  armCommit(fault: CommitFault): void {
    this.commitFaults.push(fault);
  }

  disarm(): void {
    this.commitFaults.length = 0;
    this.network.disarm();
  }

  /** Another server takes over: what was committed is there, every session is gone. */
  failOver(downMs: number): void {
    for (const session of [...this.sessions]) this.end(session);
    this.network.crash();
    this.network.awayUntil = Math.max(this.network.awayUntil, this.scheduler.now + downMs);
  }

  /** One statement in a transaction of its own. */
  statement<Result>(process: Process, what: string, work: () => Result): Promise<Result> {
    return this.network.call<Result>(process, what, (reply) => reply({ value: work() }));
  }

  /** `onCommit` is called when its writes have become visible. */
  async transaction<Result>(
    process: Process,
    work: (statements: Statements) => Promise<Result>,
    onCommit: () => void = () => {},
  ): Promise<Result> {
    const session = this.newSession(false);
    const at = (what: string, serve: (done: (error?: Error) => void) => void): Promise<void> =>
      this.inSession(process, session, what, serve);
    const statements: Statements = {
      run: async (what, read) => {
        let result: { value: ReturnType<typeof read> } | null = null;
        await at(what, (done) => {
          result = { value: read() };
          done();
        });
        return result!.value;
      },
      locked: async (what, keys, read) => {
        let result: { value: ReturnType<typeof read> } | null = null;
        await at(what, (done) =>
          this.lock(session, [...keys].sort(), (error) => {
            if (error === undefined) result = { value: read() };
            done(error);
          }),
        );
        return result!.value;
      },
      share: (what, keys) =>
        at(what, (done) => {
          for (const key of keys) session.shared.add(key);
          done();
        }),
      write: (what, apply) =>
        at(what, (done) => {
          session.writes.push(apply);
          done();
        }),
    };
    try {
      const result = await work(statements);
      await this.commit(process, session, onCommit);
      return result;
    } catch (error) {
      this.end(session);
      throw error;
    }
  }

  private newSession(mayIdle: boolean): Session {
    const { now: heardAt } = this.scheduler;
    const session: Session = { mayIdle, isBroken: false, heardAt, locks: [], shared: new Set(), writes: [] };
    this.sessions.add(session);
    return session;
  }

  /** Whether a transaction shares the lock. One whose client has said nothing for a minute is ended. */
  isShared(key: string): boolean {
    const holders = [...this.sessions].filter(({ shared }) => shared.has(key));
    const idle = holders.filter(({ heardAt }) => heardAt + IDLE_MAX_MS <= this.scheduler.now);
    for (const session of idle) this.end(session);
    return holders.length > idle.length;
  }

  /**
   * Work while a session holds an advisory lock. Each statement is a transaction of its own. The lock goes with the
   * session: when the work is done, the server fails over, or the client's process is gone.
   */
  async whileLocked<Result>(
    process: Process,
    key: string,
    work: (run: <Value>(what: string, statement: () => Value, fence?: string) => Promise<Value>) => Promise<Result>,
  ): Promise<Result> {
    const session = this.newSession(true);
    const look = (): void => {
      if (session.isBroken) return;
      if (process.isAlive) this.scheduler.after(this.network.latency(), look, 'client');
      else this.end(session);
    };
    look();
    try {
      await this.inSession(process, session, 'lock', (done) => this.lock(session, [key], done));
      return await work(async (what, statement, fence) => {
        let result: { value: ReturnType<typeof statement> } | null = null;
        await this.inSession(process, session, what, (done) =>
          this.lock(session, fence === undefined ? [] : [fence], (error) => {
            if (error !== undefined) return done(error);
            result = { value: statement() };
            if (fence !== undefined) this.release(session, fence);
            done();
          }),
        );
        return result!.value;
      });
    } finally {
      this.end(session);
    }
  }

  private commit(process: Process, session: Session, onCommit: () => void): Promise<void> {
    const fault = this.commitFaults.shift();
    if (fault !== undefined) this.scheduler.note(`commit fault ${fault}`);
    return this.inSession(process, session, 'commit', (done) => {
      if (fault === 'before') this.end(session);
      if (fault === 'serialisation') this.end(session);
      if (fault === 'before') {
        done(postgresError('connection lost before the commit', '08006'));
        return;
      }
      if (fault === 'serialisation') {
        done(postgresError('could not serialize access', '40001'));
        return;
      }
      for (const write of session.writes) write();
      onCommit();
      this.end(session);
      done(fault === 'after' ? postgresError('connection lost after the commit', '08006') : undefined);
    });
  }

  private inSession(
    process: Process,
    session: Session,
    what: string,
    serve: (done: (error?: Error) => void) => void,
  ): Promise<void> {
    return this.network
      .call<void>(process, what, (reply) => {
        if (session.isBroken) return reply({ error: postgresError('the session was ended', '57P01') });
        session.heardAt = this.scheduler.now;
        serve((error) => {
          session.heardAt = this.scheduler.now;
          reply(error === undefined ? { value: undefined } : { error });
        });
      })
      .catch((error: unknown) => {
        // The client closes a connection that it got no answer on; the server ends the session then or later.
        this.scheduler.after(this.network.latency(), () => this.end(session), 'close');
        throw error;
      });
  }

  private lock(session: Session, keys: readonly string[], done: (error?: Error) => void): void {
    const [key, ...others] = keys;
    if (session.isBroken || key === undefined) {
      done(session.isBroken ? postgresError('the session was ended', '57P01') : undefined);
      return;
    }
    const held = this.locks.get(key);
    if (held === undefined) {
      this.locks.set(key, { holder: session, waiting: [] });
      session.locks.push(key);
      this.lock(session, others, done);
      return;
    }
    if (held.holder === session) {
      this.lock(session, others, done);
      return;
    }
    if (!held.holder.mayIdle && held.holder.heardAt + IDLE_MAX_MS <= this.scheduler.now) {
      this.end(held.holder);
      this.lock(session, keys, done);
      return;
    }
    this.endWhenIdle(held.holder);
    let isOver = false;
    const timeout = this.scheduler.after(
      LOCK_WAIT_MAX_MS,
      () => {
        isOver = true;
        done(postgresError('canceling statement due to statement timeout', '57014'));
      },
      'lock timeout',
    );
    held.waiting.push(() => {
      if (isOver) return;
      isOver = true;
      timeout.run = null;
      this.lock(session, keys, done);
    });
  }

  /** A session that keeps others waiting is ended once its client has said nothing for a minute. */
  private endWhenIdle(session: Session): void {
    if (session.mayIdle) return;
    const idleAt = session.heardAt + IDLE_MAX_MS;
    const look = (): void => {
      if (session.isBroken) return;
      if (session.heardAt + IDLE_MAX_MS <= this.scheduler.now) this.end(session);
      else this.endWhenIdle(session);
    };
    this.scheduler.after(idleAt - this.scheduler.now, look, 'idle');
  }

  /** Rolled back, unless it was committed. */
  private end(session: Session): void {
    if (!this.sessions.delete(session)) return;
    session.isBroken = true;
    for (const key of [...session.locks]) this.release(session, key);
  }

  private release(session: Session, key: string): void {
    session.locks.splice(session.locks.indexOf(key), 1);
    const { waiting } = this.locks.get(key)!;
    this.locks.delete(key);
    for (const next of waiting) this.scheduler.after(0, next, 'lock');
  }

  /** As gateways read it. */
  get ruleSetInForce(): number {
    return Math.min(...this.seals.map((seals) => seals.at(-1)?.nextRuleSet ?? FIRST_RULE_SET));
  }

  sealTablesOf(process: Process): SealTables {
    return {
      inTransaction: (work) => this.transaction(process, (statements) => work(this.sealTransaction(statements))),
      readEpoch: (partition) => this.statement(process, 'epoch', () => this.progress[partition]?.epoch ?? null),
      ruleSetKnownToAll: () =>
        this.statement(process, 'rule sets', () =>
          Math.min(
            ...this.progress.map(({ epoch }, i) =>
              this.known[i]!.epoch === epoch ? this.known[i]!.ruleSet : FIRST_RULE_SET,
            ),
          ),
        ),
      publishWatermark: () => this.statement(process, 'publish', () => this.publish()),
    };
  }

  /** As the auditor asks for it: once for one seal. */
  requestRepair(partition: number, chunk: number, epoch: bigint): void {
    const key = `${partition}/${chunk}/${epoch}`;
    if (!this.repairs.has(key)) {
      this.repairs.set(key, { request: { partition, chunk, epoch, reason: 'audit' }, outcome: null });
    }
  }

  /** Whether somebody asked for it when the chunk's rows were not what this seal says. */
  isRepairAsked = ({ partition, chunk, epoch }: Seal): boolean => this.repairs.has(`${partition}/${chunk}/${epoch}`);

  /** The log was restored: what could not be repaired may be asked for again. */
  forgetRefusedRepairs(): void {
    for (const [key, { outcome }] of this.repairs) if (outcome === 'refused') this.repairs.delete(key);
  }

  repairRequestsOf(process: Process): RepairRequests {
    return {
      readOpen: (partitions) =>
        this.statement(process, 'repairs', () =>
          [...this.repairs.values()]
            .filter(({ request, outcome }) => outcome === null && partitions.includes(request.partition))
            .map(({ request }) => request),
        ),
      decide: ({ partition, chunk, epoch }, outcome) =>
        this.statement(process, 'decide repair', () => {
          const repair = this.repairs.get(`${partition}/${chunk}/${epoch}`);
          if (repair?.outcome === null) repair.outcome = outcome;
        }),
    };
  }

  private publish(): number | null {
    let least = Number.POSITIVE_INFINITY;
    for (const { partitionTime } of this.progress) {
      if (partitionTime === null) return null;
      least = Math.min(least, partitionTime);
    }
    this.published = this.published === null ? least : Math.max(this.published, least);
    this.onPublish(this.published);
    return this.published;
  }

  private sealTransaction({ run, locked, write }: Statements): SealTransaction {
    return {
      lockProgress: (partition) =>
        locked('lock progress', [`partition ${partition}`], () => this.progress[partition] ?? null),
      saveProgress: (partition, progress, owner) =>
        write('save progress', () => {
          this.progress[partition] = progress;
          if (owner !== undefined) this.known[partition] = { epoch: progress.epoch, ruleSet: owner.newestRuleSet };
        }),
      readSealsSince: (partition, since) =>
        run('read seals', () => this.seals[partition]!.filter((seal) => seal.partitionTime >= since)),
      readSeal: (partition, chunk) => run('read seal', () => this.seals[partition]![chunk] ?? null),
      insertSeal: (seal) => {
        // What is referred to is copied: a statement's values are sent, not shared.
        const row: Seal = {
          ...seal,
          outcomesByTenant: new Map(seal.outcomesByTenant),
          catalogChanges: [...seal.catalogChanges],
        };
        return write('insert seal', () => {
          const seals = this.seals[seal.partition]!;
          if (seals.length !== seal.chunk)
            throw new Error(`seal ${seal.chunk} of partition ${seal.partition} is not the next`);
          seals.push(row);
          this.scheduler.note('seal', seal.partition, seal.chunk);
          this.onSeal(row);
        });
      },
      takeBackSeals: (partition, fromChunk) =>
        write('take back seals', () => {
          const [first, ...others] = this.seals[partition]!.splice(fromChunk);
          this.reopenedSeals += others.length + 1;
          this.recounts.tookBack(partition, fromChunk);
          this.onReopen(first!);
          this.scheduler.note('reopen', partition, fromChunk);
        }),
    };
  }
}
