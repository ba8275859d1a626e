// What Postgres says of recounts, as a model: requests, corrections, chunks that are due, seals of revisions, and runs.
import type {
  DueChunk,
  OpenRecount,
  RecountTables,
  RecountTransaction,
  RevisionSeal,
} from '../../../aggregator/recounting/recount-tables.ts';
import type { MeterCorrection } from '../../../domain/metering/corrections.ts';
import type { RecountRun } from '../../../domain/sealing/recount-runs.ts';
import type { Process } from '../scheduler.ts';
import type { PostgresModel, Statements } from './postgres-model.ts';

const GENERATION = 1;
const DAY = 24 * 3_600_000;

interface Request extends MeterCorrection {
  readonly number: number;
  /** By partition; null: not known yet. */
  readonly chunks: ({ next: number; to: number } | null)[];
}

export class RecountModel {
  private readonly postgres: PostgresModel;
  readonly requests: Request[] = [];
  /** By partition and chunk: numbers of requests. */
  private readonly lists: Map<number, number[]>[];
  private readonly due: Set<number>[];
  /** By partition, in order of their numbers. */
  readonly seals: RevisionSeal[][];
  readonly runs: RecountRun[] = [];
  /** Told of the seal of a revision, and of the corrections that it is to be counted with. */
  onSeal: (partition: number, seal: RevisionSeal, corrections: readonly MeterCorrection[]) => void = () => {};

  constructor(postgres: PostgresModel) {
    this.postgres = postgres;
    const each = Array.from({ length: postgres.partitions });
    this.lists = each.map(() => new Map());
    this.due = each.map(() => new Set());
    this.seals = each.map(() => []);
  }

  request(correction: MeterCorrection): void {
    const { partitions } = this.postgres;
    const chunks = Array.from({ length: partitions }, () => null);
    this.requests.push({ ...correction, number: this.requests.length + 1, chunks });
  }

  get isDone(): boolean {
    const isGiven = this.requests.every(({ chunks }) => chunks.every((of) => of !== null && of.next >= of.to));
    return isGiven && this.due.every((chunks) => chunks.size === 0);
  }

  private readonly revisedTimes = new Map<string, number>();

  /** When the last revision of a chunk was sealed; 0: none was. */
  revisedSince = (partition: number, chunk: number): number => this.revisedTimes.get(`${partition} ${chunk}`) ?? 0;

  /** The last seal of a revision of a chunk as of a number; null: it was not recounted by then. */
  revisedAt(partition: number, chunk: number, number: number): RevisionSeal | null {
    return this.seals[partition]!.findLast((seal) => seal.chunk === chunk && seal.number <= number) ?? null;
  }

  revisedNow = (partition: number, chunk: number): RevisionSeal | null =>
    this.revisedAt(partition, chunk, Number.POSITIVE_INFINITY);

  /** In the transaction that takes seals back. */
  tookBack(partition: number, fromChunk: number): void {
    for (const chunk of this.lists[partition]!.keys()) if (chunk >= fromChunk) this.due[partition]!.add(chunk);
  }

  /** As the auditor asks for it, where the rows of its revision are damaged. */
  makeDue(partition: number, chunk: number): void {
    this.due[partition]!.add(chunk);
  }

  /** The requests that a chunk's revision that counts was counted with. */
  countedWith(partition: number, chunk: number): readonly MeterCorrection[] {
    return this.correctionsOf(partition, chunk).slice(0, this.revisedNow(partition, chunk)?.revision ?? 0);
  }

  private correctionsOf(partition: number, chunk: number): MeterCorrection[] {
    return (this.lists[partition]!.get(chunk) ?? []).map((number) => this.requests[number - 1]!);
  }

  tablesOf(process: Process): RecountTables {
    const { postgres } = this;
    return {
      inTransaction: (work) => postgres.transaction(process, (statements) => work(this.transaction(statements))),
      readDue: (partition, chunksMax) =>
        postgres.statement(process, 'due chunks', () => this.readDue(partition, chunksMax)),
    };
  }

  private readDue(partition: number, chunksMax: number): DueChunk[] {
    const sealed = this.postgres.seals[partition]!;
    return [...this.due[partition]!]
      .filter((chunk) => chunk < sealed.length)
      .sort((a, b) => a - b)
      .slice(0, chunksMax)
      .map((chunk): DueChunk => {
        const { epoch: sealEpoch, startOffset, endOffset, events, ruleSet, catalogVersion, ...seal } = sealed[chunk]!;
        const changes = [...seal.catalogChanges];
        const before = sealed[chunk - 1]?.catalogVersion ?? 0;
        return {
          ...{ chunk, sealEpoch, startOffset, endOffset, events, ruleSet, changes },
          versionBefore: changes.length === 0 ? catalogVersion : before,
          corrections: this.correctionsOf(partition, chunk),
          sealedRevision: this.revisedNow(partition, chunk)?.revision ?? 0,
        };
      });
  }

  private transaction({ run, locked, write }: Statements): RecountTransaction {
    const { postgres } = this;
    return {
      lockProgress: (partition) =>
        locked('lock progress', [`partition ${partition}`], () => {
          const progress = postgres.progress[partition];
          return progress === undefined ? null : { ...progress, recounts: this.seals[partition]!.length };
        }),
      readOpen: (partition) =>
        run('open recounts', () =>
          this.requests.flatMap(({ chunks, ...request }): OpenRecount[] => {
            const of = chunks[partition]!;
            return of !== null && of.next >= of.to ? [] : [{ ...request, chunks: of === null ? null : { ...of } }];
          }),
        ),
      findChunks: (partition, { version, from, to }) =>
        run('find chunks', () => {
          const seals = postgres.seals[partition]!;
          const first = seals.filter(({ partitionTime }) => partitionTime < from - DAY).length;
          const inForce = seals.findIndex(({ catalogVersion }) => catalogVersion >= version);
          const behind =
            to === null ? -1 : seals.findIndex(({ partitionTime }) => partitionTime > to + postgres.horizonMs);
          const last = Math.min(inForce, behind === -1 ? inForce : behind) + 1;
          return { next: Math.min(first, last), to: last };
        }),
      saveChunks: (partition, recount, chunks) =>
        write('save chunks', () => {
          this.requests[recount - 1]!.chunks[partition] = { ...chunks };
        }),
      appendCorrections: async (partition, recount, fromChunk, toChunk) => {
        await write('append corrections', () => {
          for (let chunk = fromChunk; chunk < toChunk; chunk++) {
            const list = this.lists[partition]!.get(chunk) ?? [];
            if (list.includes(recount)) {
              throw new Error(`duplicate key value violates unique constraint: chunk ${chunk}, recount ${recount}`);
            }
            this.lists[partition]!.set(chunk, [...list, recount]);
            this.due[partition]!.add(chunk);
          }
        });
      },
      readLists: (partition, chunks) =>
        run('lists', () =>
          chunks.flatMap((chunk) => {
            const seal = postgres.seals[partition]![chunk];
            const corrections = this.lists[partition]!.get(chunk)?.length ?? 0;
            return seal === undefined ? [] : [{ chunk, sealEpoch: seal.epoch, corrections }];
          }),
        ),
      insertSeals: (partition, seals) =>
        write('insert revision seals', () => {
          for (const seal of seals) this.insert(partition, seal);
        }),
      settle: (partition, chunks) =>
        write('settle', () => {
          for (const chunk of chunks) this.due[partition]!.delete(chunk);
        }),
    };
  }

  private insert(partition: number, seal: RevisionSeal): void {
    const { number, chunk, revision, epoch, meters } = seal;
    if (number !== this.seals[partition]!.length + 1) {
      throw new Error(`recount ${number} of partition ${partition} is not the next`);
    }
    this.seals[partition]!.push(seal);
    this.revisedTimes.set(`${partition} ${chunk}`, this.postgres.scheduler.now);
    const place = this.runs.findLastIndex((run) => run.partition === partition);
    const last = this.runs[place];
    const isNext =
      last?.revision === revision &&
      last.epoch === epoch &&
      last.fromChunk + last.chunks === chunk &&
      last.meters.join() === meters.join();
    if (isNext) this.runs[place] = { ...last, chunks: last.chunks + 1 };
    else {
      const run = { partition, firstNumber: number, fromChunk: chunk, chunks: 1, revision, epoch, meters };
      this.runs.push({ generation: GENERATION, ...run });
    }
    this.postgres.scheduler.note('recounted', partition, chunk);
    this.onSeal(partition, seal, this.correctionsOf(partition, chunk).slice(0, revision));
  }
}
