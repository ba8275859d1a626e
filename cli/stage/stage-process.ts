// The life of a process that runs a stage: settings, stores, the stage, its HTTP server; then until it is told to stop
// or can't go on. A process started by `up` says over the IPC channel when it serves, and ends when that channel
// closes.
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { openKeyring } from '../../platform/access/live-keyring.ts';
import { type HttpServer, listen, startAdminServer } from '../../platform/admin-server.ts';
import type { StoreWatch } from '../../platform/calls/store-watch.ts';
import { DamagedParts } from '../../platform/clickhouse/damaged-parts.ts';
import { createRegistry, registerAdminRoutes } from '../../platform/http/admin-routes.ts';
import { createHttpApp } from '../../platform/http/app.ts';
import { DRAIN_TIMEOUT_MS, runStages } from '../../platform/process/lifecycle.ts';
import { createLogger } from '../../platform/process/logging.ts';
import type { Stage, StageContext } from '../../platform/process/stage.ts';
import { type Environment, parseSettings } from '../../platform/settings/config.ts';
import {
  type LogStores,
  openLogStores,
  openStores,
  openTableStores,
  type PostgresStore,
  type Stores,
} from '../stores.ts';
import { storesStage, watchStores } from './stage-health.ts';
import { type FrontParts, frontsOf, type ProcessName, workerOf } from './stage-table.ts';

interface Composition {
  /** In the order in which they are drained. */
  readonly stages: readonly Stage[];
  readonly server: HttpServer;
}

/** What a supervised stage sends once it serves. */
export interface ReadyMessage {
  readonly ready: string;
}

const never = new Promise<never>(() => {});

/** Of a process: what ends its HTTP server when the stages are drained. */
const httpStage = (stop: () => Promise<void>): Stage => ({ name: 'http', notReady: () => null, failed: never, stop });

/** Resolves to the exit status once the stage is drained, or failed. */
export async function runStage(name: ProcessName, overrides: Environment): Promise<0 | 1> {
  const isSupervised = process.send !== undefined;
  let isStarting = true;
  if (isSupervised) process.once('disconnect', () => isStarting && process.exit(1));
  const settings = parseSettings(process.env, overrides);
  const logger = createLogger(name, settings.logLevel);
  const registry = createRegistry();
  const context: StageContext = { settings, logger, registry, clock: Date.now };
  // Nothing stands before `up` that could send requests elsewhere.
  const drainGraceMs = isSupervised ? 0 : settings.http.drainGraceMs;
  const { stores, compose } = await openStage(name, context, drainGraceMs);
  try {
    const { stages, server } = await compose();
    logger.info({ url: server.url }, 'serving');
    isStarting = false;
    if (process.send === undefined) process.stdout.write(`ready ${server.url}\n`);
    else if (process.connected) process.send({ ready: server.url } satisfies ReadyMessage);
    const status = await runStages(stages, logger, {
      ...(isSupervised && { signals: ['SIGTERM'] }),
      drainTimeoutMs: drainGraceMs + DRAIN_TIMEOUT_MS,
    });
    // A drain that took too long leaves work behind that would use the stores while they close.
    if (status === 0) {
      await server.close();
      await stores.close();
    }
    return status;
  } catch (error) {
    logger.fatal({ err: error }, 'the stage could not start');
    return 1;
  }
}

/**
 * The stores a process needs (a gateway does without ClickHouse, accounts without the log), and how it is composed from
 * them.
 */
async function openStage(
  name: ProcessName,
  context: StageContext,
  drainGraceMs: number,
): Promise<{ stores: PostgresStore; compose: () => Promise<Composition> }> {
  const { settings, logger, registry } = context;
  const damaged = new DamagedParts(registry, logger);
  const healthOf = (stores: PostgresStore | LogStores | Stores): Health => {
    const watch = watchStores(settings, stores, registry, logger);
    return { watch, stage: storesStage(name, watch, damaged) };
  };
  const worker = workerOf(name);
  const fronts = frontsOf(name);
  const tableFronts = fronts.filter((front) => front.opens === 'tables');
  if (worker === null && tableFronts.length === fronts.length) {
    const stores = await openTableStores(settings, logger, `tallyline ${name}`, {
      onDamaged: (part, reason) => damaged.add(part, reason),
    });
    const starts = tableFronts.map((front) => (parts: FrontParts) => front.start(context, stores, parts));
    return { stores, compose: () => composeFronts(context, healthOf(stores), starts, drainGraceMs) };
  }
  const logFronts = fronts.filter((front) => front.opens === 'log');
  if (worker === null && logFronts.length === fronts.length) {
    const stores = await openLogStores(settings, logger, `tallyline ${name}`);
    const starts = logFronts.map((front) => (parts: FrontParts) => front.start(context, stores, parts));
    return { stores, compose: () => composeFronts(context, healthOf(stores), starts, drainGraceMs) };
  }
  const stores = await openStores(settings, logger, `tallyline ${name}`, {
    onDamaged: (part, reason) => damaged.add(part, reason),
    ...(worker === null && {
      connectionsMax: readConnections(settings.query.readsAtOnce) + (tableFronts.length > 0 ? MANAGE_CONNECTIONS : 0),
    }),
  });
  damaged.lookAt(stores.clickhouse);
  if (worker !== null) {
    return { stores, compose: () => composeWorker(context, healthOf(stores), () => worker.start(context, stores)) };
  }
  const starts = fronts.map((front) => (parts: FrontParts) => front.start(context, stores, parts));
  return { stores, compose: () => composeFronts(context, healthOf(stores), starts, drainGraceMs) };
}

/** What a process knows of its stores. */
interface Health {
  readonly watch: StoreWatch;
  readonly stage: Stage;
}

/** Of requests about accounts: one for each that is done at once. */
const MANAGE_CONNECTIONS = 8;

/**
 * A read takes up to two connections to a store at once, and a stream one; keys, what all reads share, and a gateway
 * have the rest.
 */
const readConnections = (readsAtOnce: number): number => 3 * readsAtOnce + 8;

/** A stage whose only HTTP is for whoever runs it; that server is there before the stage is ready. */
async function composeWorker(
  { settings, registry, logger }: StageContext,
  health: Health,
  start: () => Promise<Stage>,
): Promise<Composition> {
  const stages: Stage[] = [];
  const server = await startAdminServer(settings.http, registry, quiet(logger), () => stages);
  const leaving = httpStage(async () => server.leave());
  stages.push(leaving, await start(), health.stage);
  return { stages, server };
}

/** Routes must all be there before the app listens; while it drains, it first has its clients go and answers them. */
async function composeFronts(
  { settings, registry, logger, clock }: StageContext,
  health: Health,
  starts: readonly ((parts: FrontParts) => Promise<Stage>)[],
  drainGraceMs: number,
): Promise<Composition> {
  const app = createHttpApp(logger, { connections: settings.http, registry });
  const keyring = openKeyring(settings.postgresUrl!, clock, logger);
  const stages: Stage[] = [];
  for (const start of starts) stages.push(await start({ app, keyring, watch: health.watch }));
  stages.push(health.stage);
  registerAdminRoutes(app, registry, () => stages);
  const server = await listen(app, settings.http);
  // A stage that can't go on does nothing for the sake of balancers.
  let graceMs = drainGraceMs;
  for (const { failed } of stages) failed.catch(() => (graceMs = 0));
  const leave = async (): Promise<void> => {
    logger.info({ graceMs }, 'each answer is its connection’s last one; /readyz says no');
    server.leave();
    await delay(graceMs);
    await server.close();
    await keyring.close();
  };
  return { stages: [httpStage(leave), ...stages], server };
}

/** Probes and scrapes come every few seconds and say nothing. */
const quiet = (logger: Logger): Logger => logger.child({}, { level: 'warn' });
