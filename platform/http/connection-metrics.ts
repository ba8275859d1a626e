// The metrics of a server's connections.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Connections, EndReason } from './connections.ts';

export interface ConnectionMetrics {
  ended(reason: EndReason): void;
  /** Once: from then on they are counted when the metrics are read. */
  watch(connections: Pick<Connections, 'counts' | 'unreadBytes'>, connectionsMax: number): void;
}

export function createConnectionMetrics(registry: Registry): ConnectionMetrics {
  const ended = new Counter({
    name: 'tallyline_http_connections_ended_total',
    help: 'Connections that the server ended for what they did or did not do, by reason.',
    labelNames: ['reason'],
    registers: [registry],
  });
  return {
    ended: (reason) => ended.inc({ reason }),
    watch: (connections, connectionsMax) => {
      new Gauge({
        name: 'tallyline_http_connections',
        help: 'Open connections: silent ones never sent a request, those of the reserve stand above the bound.',
        labelNames: ['state'],
        registers: [registry],
        collect() {
          for (const [state, count] of Object.entries(connections.counts)) this.set({ state }, count);
        },
      });
      new Gauge({
        name: 'tallyline_http_unread_bytes',
        help: 'Bytes of answers that wait to be taken by their clients.',
        registers: [registry],
        collect() {
          this.set(connections.unreadBytes);
        },
      });
      new Gauge({
        name: 'tallyline_http_connections_max',
        help: 'How many there may be (TALLYLINE_CONNECTIONS).',
        registers: [registry],
      }).set(connectionsMax);
    },
  };
}
