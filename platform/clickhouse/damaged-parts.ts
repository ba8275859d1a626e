// The parts of ClickHouse that this process could not read, and those that ClickHouse did not load when it started,
// until they are gone. Whoever reads meets them; here they are kept for whoever looks at the process: /readyz, the
// metric that the alert is on, and the log.

import type { Logger } from 'pino';
import { Gauge, type Registry } from 'prom-client';
import type { ClickHouse } from './click-house.ts';
import { type DamagedPart, printPart } from './damage.ts';
import { readUnseenParts } from './lost-parts.ts';

/** Reads that meet the same part are many; the log says it once. Parts beyond that many are not told apart. */
const PARTS_MAX = 100;
const LOOK_INTERVAL_MS = 10_000;

export class DamagedParts {
  private readonly logger: Logger;
  /** What a read met, by its name in words. */
  private readonly met = new Map<string, DamagedPart>();
  /** What ClickHouse had moved aside, or misplaced, when it was last asked. */
  private lost: ReadonlyMap<string, DamagedPart> = new Map();
  private lookedAt = Number.NEGATIVE_INFINITY;
  private clickhouse: Pick<ClickHouse, 'query'> | null = null;

  constructor(registry: Registry, logger: Logger) {
    this.logger = logger;
    const lookedFor = (): readonly DamagedPart[] => {
      this.look();
      return [...this.met.values(), ...this.lost.values()];
    };
    new Gauge({
      name: 'tallyline_damaged_parts',
      help: 'Parts of ClickHouse that this process met and could not read; they count until they are gone.',
      labelNames: ['table', 'part'],
      registers: [registry],
      collect() {
        this.reset();
        for (const { table, part } of lookedFor()) this.set({ table, part }, 1);
      },
    });
  }

  /** Asked from time to time which of them are still there. */
  lookAt(clickhouse: Pick<ClickHouse, 'query'>): void {
    this.clickhouse = clickhouse;
  }

  add(part: DamagedPart, reason: string): void {
    const name = printPart(part);
    if (this.met.has(name) || this.met.size >= PARTS_MAX) return;
    this.met.set(name, part);
    this.say(part, reason);
  }

  /** In words for an operator; null: none is known. */
  fault(): string | null {
    this.look();
    const names = [...this.met.keys(), ...this.lost.keys()];
    if (names.length === 0) return null;
    const more = names.length > 3 ? `, and ${names.length - 3} more` : '';
    return `${names.slice(0, 3).join(', ')} can't be read${more}: run \`tallyline repair\``;
  }

  private say(part: DamagedPart, reason: string): void {
    this.logger.error({ ...part, reason }, 'a stored part cannot be read; `tallyline repair` recounts it from the log');
  }

  /** In the background: an answer that does not come changes nothing. */
  private look(): void {
    const now = performance.now();
    if (this.clickhouse === null || now - this.lookedAt < LOOK_INTERVAL_MS) return;
    this.lookedAt = now;
    this.lookForLost(this.clickhouse);
    const known = [...this.met];
    if (known.length === 0) return;
    this.clickhouse
      .query<{ table: string; name: string }>(
        'SELECT table, name FROM system.parts WHERE active AND database = currentDatabase() AND name IN {names:Array(String)}',
        { names: known.map(([, { part }]) => part) },
      )
      .then((rows) => {
        for (const [name, { table, part }] of known) {
          const isThere = rows.some((row) => row.name === part && (table === '' || row.table === table));
          if (!isThere) this.met.delete(name);
        }
      })
      .catch((error: unknown) => this.logger.debug({ err: error }, 'it is not known which damaged parts are gone'));
  }

  private lookForLost(clickhouse: Pick<ClickHouse, 'query'>): void {
    readUnseenParts(clickhouse)
      .then((found) => {
        const parts = found.slice(0, PARTS_MAX).map(({ table, called }) => ({ table, part: called }));
        const before = this.lost;
        this.lost = new Map(parts.map((part) => [printPart(part), part]));
        for (const [name, part] of this.lost)
          if (!before.has(name))
            this.say(part, 'ClickHouse did not load it when it started, or believes it to be of another time');
      })
      .catch((error: unknown) => this.logger.debug({ err: error }, 'it is not known which parts were not loaded'));
  }
}
