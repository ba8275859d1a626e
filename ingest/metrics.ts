// The gateway's metrics. Other stages may share the registry and `tallyline_events_total`, so a metric that exists is
// used.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { BodyBudget } from './bodies/body-budget.ts';

export interface IngestMetrics {
  /** Events of answered requests; those of a request that was refused as a whole are neither. */
  events(outcome: 'accepted' | 'rejected', count: number): void;
  answered(status: number, seconds: number): void;
  /** A request that was refused as a whole, by the code of its problem. */
  refused(code: string): void;
  appendDuration(seconds: number): void;
  /** Once: from then on what the bodies hold is read when the metrics are. */
  watchBodies(bodies: Pick<BodyBudget, 'bytesMax' | 'held'>): void;
}

const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

function histogram(registry: Registry, name: string, help: string): Histogram {
  const existing = registry.getSingleMetric(name);
  if (existing !== undefined) return existing as Histogram;
  return new Histogram({ name, help, buckets: DURATION_BUCKETS, registers: [registry] });
}

export function createIngestMetrics(registry: Registry): IngestMetrics {
  const eventsTotal =
    (registry.getSingleMetric('tallyline_events_total') as Counter<'stage' | 'outcome'> | undefined) ??
    new Counter({
      name: 'tallyline_events_total',
      help: 'Events by the stage that handled them and what became of them.',
      labelNames: ['stage', 'outcome'] as const,
      registers: [registry],
    });
  const accepted = eventsTotal.labels({ stage: 'ingest', outcome: 'accepted' });
  const rejected = eventsTotal.labels({ stage: 'ingest', outcome: 'rejected' });
  const requests = histogram(
    registry,
    'tallyline_ingest_request_duration_seconds',
    'From the headers of a request to its answer, the time its events took to be durable included.',
  );
  const responses = new Counter({
    name: 'tallyline_ingest_responses_total',
    help: 'Answers to POST /v1/events by HTTP status.',
    labelNames: ['status'],
    registers: [registry],
  });
  const byStatus = new Map<number, Counter.Internal>();
  const refusals = new Counter({
    name: 'tallyline_ingest_refusals_total',
    help: 'Requests to POST /v1/events that were refused as a whole, by the code of their problem document.',
    labelNames: ['code'],
    registers: [registry],
  });
  const appends = histogram(
    registry,
    'tallyline_event_log_append_duration_seconds',
    'From the moment a record was given to the event log to its acknowledgement or failure.',
  );
  return {
    events: (outcome, count) => {
      if (count > 0) (outcome === 'accepted' ? accepted : rejected).inc(count);
    },
    answered: (status, seconds) => {
      requests.observe(seconds);
      const known = byStatus.get(status);
      const ofStatus = known ?? responses.labels({ status });
      if (known === undefined) byStatus.set(status, ofStatus);
      ofStatus.inc();
    },
    refused: (code) => refusals.inc({ code }),
    appendDuration: (seconds) => appends.observe(seconds),
    watchBodies: (bodies) => {
      new Gauge({
        name: 'tallyline_ingest_body_bytes',
        help: 'Memory that bodies of requests hold, while they arrive and while their events wait for the log.',
        labelNames: ['phase'],
        registers: [registry],
        collect() {
          for (const phase of ['reading', 'appending'] as const) this.set({ phase }, bodies.held(phase));
        },
      });
      new Gauge({
        name: 'tallyline_ingest_body_bytes_max',
        help: 'What they may hold together (TALLYLINE_QUEUE_BYTES); one API key a quarter of it.',
        registers: [registry],
      }).set(bodies.bytesMax);
    },
  };
}
