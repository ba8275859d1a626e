// The composition root of the gateway: puts the route on an app, and the batcher between it and the event log.
import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import type { Keyring } from '../platform/access/keyring.ts';
import { RateLimit } from '../platform/access/rate-limit.ts';
import { realTimers } from '../platform/calls/timers.ts';
import { type PublishedMeters, publishedMeters } from '../platform/catalog-store.ts';
import { type EventLog, EventLogError } from '../platform/event-log/event-log.ts';
import { EventBatchWriter } from '../platform/event-log/record-codec.ts';
import { acceptedSpanMs, ruleSetInForce, type TopicGeneration } from '../platform/event-log/topic-generation.ts';
import type { Stage, StageContext } from '../platform/process/stage.ts';
import { Batcher } from './batcher.ts';
import { BodyArrivals } from './bodies/body-arrivals.ts';
import { BodyBudget } from './bodies/body-budget.ts';
import { followCatalog } from './catalog-follower.ts';
import { createIngestMetrics } from './metrics.ts';
import { RefusalBook } from './refusals/refusal-book.ts';
import { startRefusalWriter } from './refusals/refusal-writer.ts';
import { registerEventsRoute } from './routes.ts';

export interface IngestParts {
  readonly app: FastifyInstance;
  readonly pool: Pool;
  readonly eventLog: EventLog;
  /** Of the log. */
  readonly generation: Pick<TopicGeneration, 'horizonMs'>;
  readonly keyring: Keyring;
  /** Where catalogs come from, if not from Postgres. */
  readonly catalogs?: PublishedMeters;
  /** By which events are checked, if not by the one in force in the log. */
  readonly readRuleSet?: () => Promise<number>;
  /** How long a body may pause, if not as long as the least pace says. */
  readonly bodyPatienceMs?: number;
}

/** A log that is not the one this gateway was started on: nothing it acknowledged there would be counted. */
const isFatal = (error: unknown): error is EventLogError =>
  error instanceof EventLogError && (error.code === 'topic_missing' || error.code === 'topic_mismatch');

/** The app must not listen yet, or routes can't be added; the log, the pool and the app stay the caller's to close. */
export async function startIngest(context: StageContext, parts: IngestParts): Promise<Stage> {
  const { settings, clock, logger } = context;
  const metrics = createIngestMetrics(context.registry);
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // Whoever runs the stage watches `failed`; until then a rejection must not end the process on its own.
  failed.catch(() => {});

  const batcher = new Batcher(settings.ingest, {
    log: parts.eventLog,
    newRecord: () => new EventBatchWriter(),
    clock,
    timers: realTimers,
    onAppend: (durationMs, error) => {
      metrics.appendDuration(durationMs / 1000);
      if (error === null) return;
      logger.warn({ err: error }, 'an append to the event log failed; its requests are answered 503');
      if (isFatal(error)) fail(error);
    },
  });
  const arrivals = new BodyArrivals(realTimers, () => performance.now(), parts.bodyPatienceMs);
  const bodies = new BodyBudget(settings.ingest.queueBytesMax, {
    onShareExceeded: (keyId, heldBytes) =>
      logger.warn(
        { keyId, heldBytes },
        'an API key holds its part of the memory for bodies; what else it sends gets 429',
      ),
  });
  metrics.watchBodies(bodies);
  const catalog = followCatalog(
    parts.catalogs ?? publishedMeters(parts.pool),
    parts.readRuleSet ?? (() => ruleSetInForce(parts.pool)),
    logger,
  );
  const refusals = new RefusalBook();
  const refusalWriter = startRefusalWriter(refusals, parts.pool, clock, logger);
  await registerEventsRoute(parts.app, {
    keyring: parts.keyring,
    batcher,
    rateLimit: new RateLimit(settings.ingest.requestsPerSecondMax),
    bodies,
    arrivals,
    metrics,
    refusals,
    clock,
    catalog,
    horizonMs: acceptedSpanMs(settings, parts.generation),
    bodyBytesMax: settings.ingest.bodyBytesMax,
  });

  let stopping = false;
  return {
    name: 'ingest',
    failed,
    notReady: () => {
      if (stopping) return 'the gateway is shutting down';
      if (!catalog.isReady()) return 'the gateway has not read the catalog from Postgres yet';
      return batcher.notReady();
    },
    stop: async () => {
      stopping = true;
      // By then every request has its answer: a batch waits one timeout at most to be sent, and one to be acknowledged.
      const left = await batcher.drain(2 * settings.ingest.appendTimeoutMs + settings.ingest.lingerMs);
      if (left > 0)
        logger.error({ events: left }, 'the event log did not settle these events; their requests were answered 503');
      arrivals.stop();
      await refusalWriter.stop();
      await catalog.stop();
    },
  };
}
