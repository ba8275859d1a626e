// What every stage answers to whoever runs it: is the process alive, may it have traffic, what do its metrics say.
import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { shareReading } from '../calls/shared-reading.ts';
import type { Stage } from '../process/stage.ts';

/** A registry with the process's own metrics (memory, event loop, garbage collection). */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Anybody may ask for the metrics, and to write them takes some milliseconds: whoever asks meanwhile shares them. */
export const METRICS_AGE_MAX_MS = 250;

/**
 * Adds /healthz (200 while the process runs), /readyz (200, or 503 with every reason against it; what is wrong besides
 * is named in both) and /metrics. `stages` is asked at each request; none of them yet means not ready.
 */
export function registerAdminRoutes(app: FastifyInstance, registry: Registry, stages: () => readonly Stage[]): void {
  app.get('/healthz', () => ({ status: 'alive' }));
  app.get('/readyz', (_, reply) => {
    const current = stages();
    const reasons = current.flatMap((stage) => stage.notReady() ?? []);
    if (current.length === 0) reasons.push('starting');
    if (app.isLeaving()) reasons.push('shutting down');
    const degraded = current.flatMap((stage) => stage.degraded?.() ?? []);
    return reply
      .code(reasons.length === 0 ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({
        ...(reasons.length === 0 ? { status: 'ready' } : { status: 'not ready', reasons }),
        ...(degraded.length > 0 && { degraded }),
      });
  });
  const metrics = shareReading(
    async () => Buffer.from(await registry.metrics()),
    () => performance.now(),
  );
  app.get('/metrics', async (_, reply) => reply.type(registry.contentType).send(await metrics(METRICS_AGE_MAX_MS)));
}
