// The parts of ClickHouse that this process could not read, and those that ClickHouse did not load when it started,
// until they are gone. Whoever reads meets them; here they are kept for whoever looks at the process: /readyz, the
// metric that the alert is on, and the log.

import type { Logger } from 'pino';
import { Gauge, type Registry } from 'prom-client';
import type { ClickHouse } from './click-house.ts';
import { type DamagedPart, printPart } from './damage.ts';
import { readLostParts } from './lost-parts.ts';

/** Reads that meet the same part are many; the log says it once. Parts beyond that many are not told apart. */
const PARTS_MAX = 100;
const LOOK_INTERVAL_MS = 10_000;

export class DamagedParts {
  private readonly logger: Logger;
  private readonly parts = new Map<string, DamagedPart>();
  /** Of these, the ones that ClickHouse moved aside. */
  private lost: ReadonlySet<string> = new Set();
  private lookedAt = Number.NEGATIVE_INFINITY;
  private clickhouse: Pick<ClickHouse, 'query'> | null = null;

  constructor(registry: Registry, logger: Logger) {
    this.logger = logger;
    const { parts } = this;
    const look = (): void => this.look();
    new Gauge({
      name: 'tallyline_damaged_parts',
      help: 'Parts of ClickHouse that this process met and could not read; they count until they are gone.',
      labelNames: ['table', 'part'],
      registers: [registry],
      collect() {
        look();
        this.reset();
        for (const { table, part } of parts.values()) this.set({ table, part }, 1);
      },
    });
  }

  /** Asked from time to time which of them are still there. */
  lookAt(clickhouse: Pick<ClickHouse, 'query'>): void {
    this.clickhouse = clickhouse;
  }

  add(part: DamagedPart, reason: string): void {
    const name = printPart(part);
    if (this.parts.has(name) || this.parts.size >= PARTS_MAX) return;
    this.parts.set(name, part);
    this.logger.error({ ...part, reason }, 'a stored part cannot be read; `tallyline repair` recounts it from the log');
  }

  /** In words for an operator; null: none is known. */
  fault(): string | null {
    this.look();
    if (this.parts.size === 0) return null;
    const names = [...this.parts.keys()].slice(0, 3).join(', ');
    return `${names} can't be read${this.parts.size > 3 ? `, and ${this.parts.size - 3} more` : ''}: run \`tallyline repair\``;
  }

  /** In the background: an answer that does not come changes nothing. */
  private look(): void {
    const now = performance.now();
    if (this.clickhouse === null || now - this.lookedAt < LOOK_INTERVAL_MS) return;
    this.lookedAt = now;
    this.lookForLost(this.clickhouse);
    const known = [...this.parts].filter(([name]) => !this.lost.has(name));
    if (known.length === 0) return;
    this.clickhouse
      .query<{ table: string; name: string }>(
        'SELECT table, name FROM system.parts WHERE active AND database = currentDatabase() AND name IN {names:Array(String)}',
        { names: known.map(([, { part }]) => part) },
      )
      .then((rows) => {
        for (const [name, { table, part }] of known) {
          const isThere = rows.some((row) => row.name === part && (table === '' || row.table === table));
          if (!isThere) this.parts.delete(name);
        }
      })
      .catch((error: unknown) => this.logger.debug({ err: error }, 'it is not known which damaged parts are gone'));
  }

  private lookForLost(clickhouse: Pick<ClickHouse, 'query'>): void {
    readLostParts(clickhouse)
      .then((found) => {
        const lost = found.map(({ table, detachedAs }) => ({ table, part: detachedAs }));
        const names = new Set(lost.map(printPart));
        for (const name of this.lost) if (!names.has(name)) this.parts.delete(name);
        this.lost = names;
        for (const part of lost) this.add(part, 'ClickHouse did not load it when it started');
      })
      .catch((error: unknown) => this.logger.debug({ err: error }, 'it is not known which parts were not loaded'));
  }
}
