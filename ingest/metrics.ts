// The gateway's metrics. Other stages may share the registry and `tallyline_events_total`, so a metric that exists is used.
import { Counter, Histogram, type Registry } from 'prom-client';

export interface IngestMetrics {
  /** Events of answered requests; those of a request that was refused as a whole are neither. */
  events(outcome: 'accepted' | 'rejected', count: number): void;
  answered(status: number, seconds: number): void;
  appendDuration(seconds: number): void;
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
      responses.inc({ status });
    },
    appendDuration: (seconds) => appends.observe(seconds),
  };
}
