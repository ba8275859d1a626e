// The metrics of the read API. Gauges are computed when they are scraped.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { TurnGate } from '../domain/requests/turn-gate.ts';

export interface QueryMetrics {
  answered(status: number, seconds: number): void;
  /** `rate`: the key asks too often. Else as the gate says; `turn`: it waited too long. */
  refused(reason: 'rate' | 'key' | 'all' | 'turn'): void;
  watchGates(gates: Readonly<Record<string, TurnGate>>): void;
}

export function createQueryMetrics(registry: Registry): QueryMetrics {
  const registers = [registry];
  const duration = new Histogram({
    name: 'tallyline_query_request_duration_seconds',
    help: 'Reads of the API from their headers to their answer, the wait for their turn included.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const responses = new Counter({
    name: 'tallyline_query_responses_total',
    help: 'Answers to reads of the API by HTTP status.',
    labelNames: ['status'],
    registers,
  });
  const refused = new Counter({
    name: 'tallyline_reads_refused_total',
    help: 'Reads that never began: rate (of their key), key (it has too many waiting), all (too many wait), turn (waited too long).',
    labelNames: ['reason'],
    registers,
  });
  return {
    answered: (status, seconds) => {
      duration.observe(seconds);
      responses.inc({ status });
    },
    refused: (reason) => refused.inc({ reason }),
    watchGates: (gates) => {
      new Gauge({
        name: 'tallyline_reads',
        help: 'Reads by what they cost (light, usage of ClickHouse, billing of Postgres), running or waiting for their turn.',
        labelNames: ['cost', 'state'],
        registers,
        collect() {
          for (const [cost, gate] of Object.entries(gates)) {
            this.set({ cost, state: 'running' }, gate.running);
            this.set({ cost, state: 'waiting' }, gate.waiting);
          }
        },
      });
    },
  };
}
