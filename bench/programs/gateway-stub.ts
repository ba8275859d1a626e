// The gateway with everything real but the log, which acknowledges each append at once: HTTP, key look-up, validation,
// dedup keys, hashes and Avro are what is left. It serves until it is ended.
import { setImmediate } from 'node:timers/promises';
import pino from 'pino';
import { openPool } from '../../cli/stores.ts';
import { startIngest } from '../../ingest/main.ts';
import { createKeyring } from '../../platform/access/keyring.ts';
import { listen } from '../../platform/admin-server.ts';
import type { EventLog } from '../../platform/event-log/event-log.ts';
import { newGeneration } from '../../platform/event-log/topic-generation.ts';
import { createRegistry, registerAdminRoutes } from '../../platform/http/admin-routes.ts';
import { createHttpApp } from '../../platform/http/app.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { until } from '../../test/support/until.ts';
import { runAsProgram } from './program.ts';

export interface GatewayStubInput {
  readonly environment: Readonly<Record<string, string>>;
}

const logger = pino({ level: 'error' }, pino.destination(2));

const stubLog = (partitions: number): EventLog => ({
  topicId: 'stub',
  partitions,
  append: () => setImmediate(),
  bounds: async () => [],
  consume: () => Promise.reject(new Error('nothing is read from the stub of a log')),
  close: async () => {},
});

await runAsProgram<GatewayStubInput, never>(async ({ environment }) => {
  const settings = parseSettings(environment);
  const pool = openPool(settings, logger, 'bench gateway');
  const registry = createRegistry();
  const app = createHttpApp(logger);
  const eventLog = stubLog(settings.log.partitions);
  const keyring = createKeyring(pool, Date.now);
  const stage = await startIngest(
    { settings, logger, registry, clock: Date.now },
    { app, pool, eventLog, generation: newGeneration(settings, eventLog), keyring },
  );
  registerAdminRoutes(app, registry, () => [stage]);
  const server = await listen(app, settings.http);
  await until(() => stage.notReady() === null, 'the gateway is ready');
  return { info: server.url, work: () => stage.failed };
});
