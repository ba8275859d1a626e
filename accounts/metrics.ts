// The metrics of the stage `manage`.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { TurnGate } from '../domain/requests/turn-gate.ts';
import { type AccountKind, accountKinds } from '../platform/account-store/account-changes.ts';

export interface ManageMetrics {
  answered(status: number, seconds: number): void;
  changed(kind: AccountKind): void;
  /** `rate`: the key asks too often. Else as the gate says; `turn`: it waited too long. */
  refused(reason: 'rate' | 'key' | 'all' | 'turn'): void;
  watchGate(gate: TurnGate): void;
}

export function createManageMetrics(registry: Registry): ManageMetrics {
  const registers = [registry];
  const duration = new Histogram({
    name: 'tallyline_manage_request_duration_seconds',
    help: 'Requests about accounts from their headers to their answer, body and wait for their turn included.',
    buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const responses = new Counter({
    name: 'tallyline_manage_responses_total',
    help: 'Answers to requests about accounts by HTTP status.',
    labelNames: ['status'],
    registers,
  });
  const changes = new Counter({
    name: 'tallyline_account_changes_total',
    help: 'Changes of account objects by what they are, as they were committed by this process.',
    labelNames: ['kind'],
    registers,
  });
  for (const kind of accountKinds) changes.inc({ kind }, 0);
  const refused = new Counter({
    name: 'tallyline_manage_refused_total',
    help: 'Requests about accounts that never began: rate (of their key), key (it has too many waiting), all (too many wait), turn (waited too long).',
    labelNames: ['reason'],
    registers,
  });
  return {
    answered: (status, seconds) => {
      duration.observe(seconds);
      responses.inc({ status });
    },
    changed: (kind) => changes.inc({ kind }),
    refused: (reason) => refused.inc({ reason }),
    watchGate: (gate) => {
      new Gauge({
        name: 'tallyline_manage_requests',
        help: 'Requests about accounts, running or waiting for their turn.',
        labelNames: ['state'],
        registers,
        collect() {
          this.set({ state: 'running' }, gate.running);
          this.set({ state: 'waiting' }, gate.waiting);
        },
      });
    },
  };
}
