// What this gateway has refused since it was last written down: counts by key and code, and a few examples of each.
// What holds always: it has at most ENTRIES_MAX entries with EXAMPLES_MAX examples, whatever is sent; what is refused
// beyond them is not counted here (tallyline_events_total and tallyline_ingest_refusals_total count everything). An
// accepted event costs nothing here, and a refused one an addition.
import type { Identity } from '../../platform/access/keyring.ts';
import type { RefusalRow, RefusedEvent } from '../../platform/refusals/refusal-store.ts';
import type { RejectedEntry } from '../core/decisions.ts';
import type { RefusedExample } from '../core/refused-event.ts';

const ENTRIES_MAX = 2_000;
const EXAMPLES_MAX = 3;

interface Entry {
  readonly tenant: string;
  count: number;
  firstAt: number;
  lastAt: number;
  /** The newest first. */
  readonly examples: RefusedEvent[];
}

type Sender = Pick<Identity, 'tenant' | 'keyId'>;

export class RefusalBook {
  /** By key, then by code. */
  private readonly entries = new Map<string, Map<string, Entry>>();
  private size = 0;

  /** Events of an answered request. `now`: milliseconds since the epoch. */
  events(identity: Sender, rejected: readonly RejectedEntry[], examples: readonly RefusedExample[], now: number): void {
    for (const { code } of rejected) this.count(identity, code, 1, now);
    for (const { code, ...example } of examples) this.keep(identity.keyId, code, { ...example, at: now });
  }

  /** A request that was refused as a whole. */
  request(identity: Sender, code: string, now: number): void {
    this.count(identity, code, 1, now);
  }

  /** All of it, which is then forgotten. */
  take(): RefusalRow[] {
    const rows = [...this.entries].flatMap(([keyId, byCode]) =>
      [...byCode].map(([code, entry]) => ({ ...entry, keyId, code })),
    );
    this.entries.clear();
    this.size = 0;
    return rows;
  }

  /** What was taken, and could not be written. */
  giveBack(rows: readonly RefusalRow[]): void {
    for (const { keyId, tenant, code, count, firstAt, lastAt, examples } of rows) {
      this.count({ tenant, keyId }, code, count, firstAt);
      const entry = this.entries.get(keyId)?.get(code);
      if (entry === undefined) continue;
      entry.firstAt = Math.min(entry.firstAt, firstAt);
      entry.lastAt = Math.max(entry.lastAt, lastAt);
      entry.examples.push(...examples);
      entry.examples.length = Math.min(entry.examples.length, EXAMPLES_MAX);
    }
  }

  private count({ tenant, keyId }: Sender, code: string, count: number, at: number): void {
    let byCode = this.entries.get(keyId);
    const entry = byCode?.get(code);
    if (entry !== undefined) {
      entry.count += count;
      entry.lastAt = Math.max(entry.lastAt, at);
      return;
    }
    if (this.size >= ENTRIES_MAX) return;
    this.size += 1;
    byCode ??= new Map();
    byCode.set(code, { tenant, count, firstAt: at, lastAt: at, examples: [] });
    this.entries.set(keyId, byCode);
  }

  /** A client sends the same event again and again: one example of it is enough. */
  private keep(keyId: string, code: string, event: RefusedEvent): void {
    const examples = this.entries.get(keyId)?.get(code)?.examples;
    if (examples === undefined) return;
    const same = examples.findIndex(({ id, source }) => id === event.id && source === event.source);
    if (same !== -1) examples.splice(same, 1);
    examples.unshift(event);
    if (examples.length > EXAMPLES_MAX) examples.length = EXAMPLES_MAX;
  }
}
