// The stages, each a row: what its command says, the stores it can't do without, whom it serves, how it is started. The
// commands, `tallyline up`, the probes and the tests are made from this table; compose, the chart and the scrape jobs
// are checked against it.
//
// A front serves clients over HTTP, so its routes can share a port with those of other fronts; a worker serves probes
// and metrics only. `edge` is every front behind one port, as `up` runs them.
import type { FastifyInstance } from 'fastify';
import type { Keyring } from '../../platform/access/keyring.ts';
import type { StoreName, StoreWatch } from '../../platform/calls/store-watch.ts';
import { isFenced } from '../../platform/postgres/tenant-fence.ts';
import type { Stage, StageContext } from '../../platform/process/stage.ts';
import type { LogStores, Stores, TableStores } from '../stores.ts';

/** What the fronts of a process share. The app does not listen yet. */
export interface FrontParts {
  readonly app: FastifyInstance;
  readonly keyring: Keyring;
  readonly watch: StoreWatch;
}

interface Row {
  readonly description: string;
  /** While one of them is silent, the stage does nothing for anybody and is not ready. */
  readonly needs: readonly StoreName[];
  /** The folder of its sources, where that has another name. */
  readonly room?: string;
}

/** `opens`: Postgres with the event log, with ClickHouse, or with both. */
type FrontRow = Row & { readonly serves: 'clients' } & (
    | {
        readonly opens: 'tables';
        start(context: StageContext, stores: TableStores, parts: FrontParts): Promise<Stage>;
      }
    | { readonly opens: 'log'; start(context: StageContext, stores: LogStores, parts: FrontParts): Promise<Stage> }
    | { readonly opens: 'all'; start(context: StageContext, stores: Stores, parts: FrontParts): Promise<Stage> }
  );

interface WorkerRow extends Row {
  readonly serves: 'probes';
  start(context: StageContext, stores: Stores): Promise<Stage>;
}

export const stages = {
  ingest: {
    description: 'the gateway: takes events over HTTP and appends them to the log',
    // It takes events of the keys that it knows without Postgres, as long as that does not hold the log as well.
    needs: ['the event log'],
    serves: 'clients',
    opens: 'log',
    start: async (context, stores, { app, keyring }) =>
      (await import('../../ingest/main.ts')).startIngest(context, { ...stores, app, keyring }),
  },
  aggregator: {
    description: 'counts the log into usage windows',
    needs: ['Postgres', 'the event log', 'ClickHouse'],
    serves: 'probes',
    start: async (context, stores) => (await import('../../aggregator/main.ts')).startAggregator(context, stores),
  },
  rater: {
    description: 'prices closed windows into line items',
    needs: ['Postgres', 'ClickHouse'],
    serves: 'probes',
    start: async (context, stores) => (await import('../../rater/main.ts')).startRater(context, stores),
  },
  query: {
    description: 'the read API and the status page',
    needs: ['Postgres', 'ClickHouse'],
    serves: 'clients',
    opens: 'all',
    start: async (context, stores, { app, keyring, watch }) => {
      const parts = { ...stores, app, keyring, stores: watch, isFenced: await isFenced(stores.pool) };
      return (await import('../../query/main.ts')).startQuery(context, parts);
    },
  },
  manage: {
    description: 'customers, whose a subject is, and who changed what',
    // ClickHouse is asked by previews alone, and the log by new catalogs.
    needs: ['Postgres'],
    room: 'accounts',
    serves: 'clients',
    opens: 'tables',
    start: async (context, { pool, clickhouse, log }, { app, keyring }) =>
      (await import('../../accounts/main.ts')).startManage(context, { app, pool, clickhouse, log, keyring }),
  },
} as const satisfies Readonly<Record<string, FrontRow | WorkerRow>>;

export type StageName = keyof typeof stages;
/** What a process can run. */
export type ProcessName = StageName | 'edge';

type NamesOf<Rows extends FrontRow | WorkerRow> = {
  [Name in StageName]: (typeof stages)[Name] extends Rows ? Name : never;
}[StageName];
export type WorkerName = NamesOf<WorkerRow>;
type FrontName = NamesOf<FrontRow>;

export const stageNames = Object.keys(stages) as StageName[];
/** The folders of the stages. */
export const stageRooms: readonly string[] = stageNames.map((name) => (stages[name] as Row).room ?? name);
const isWorker = (name: StageName): name is WorkerName => stages[name].serves === 'probes';
export const workerNames: readonly WorkerName[] = stageNames.filter(isWorker);
const frontNames = stageNames.filter((name): name is FrontName => !isWorker(name));

/** The stages that a process runs: a worker, or fronts. */
export const workerOf = (name: ProcessName): WorkerRow | null =>
  name !== 'edge' && isWorker(name) ? stages[name] : null;
export const frontsOf = (name: ProcessName): readonly FrontRow[] =>
  (name === 'edge' ? frontNames : frontNames.filter((front) => front === name)).map((front) => stages[front]);

/** The stores without which a process is not ready. */
export const neededBy = (name: ProcessName): readonly StoreName[] =>
  (name === 'edge' ? frontNames : [name]).flatMap((stage): readonly StoreName[] => stages[stage].needs);
