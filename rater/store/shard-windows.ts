// Of the windows that are found, those that may be of customers of some shards: by the name of their subject, or by an
// assignment of it. Whose they are is decided by the batch; this may keep too much, and never too little.
import { SHARDS, shardOf } from '../../domain/accounts/shard.ts';
import { keyText } from '../../domain/composite-key.ts';
import type { WindowKey } from '../../platform/usage-store/rollup-windows.ts';
import { type TouchedTimes, touch } from '../core/touched.ts';
import type { RatingState } from './rating-store.ts';

/** Asked for in one statement. */
const WINDOWS_AT_ONCE = 10_000;

export class ShardWindows {
  readonly touched: TouchedTimes = new Map();
  /** How many are kept. */
  size = 0;
  private readonly store: Pick<RatingState, 'readAssigned'>;
  private readonly shards: ReadonlySet<number>;
  /** Of subjects whose name is of none of the shards. */
  private others: WindowKey[] = [];
  /** Of the window before: a subject's windows mostly come one after the other. */
  private last = { tenant: '', subject: '', isOurs: false };

  constructor(store: Pick<RatingState, 'readAssigned'>, shards: ReadonlySet<number>) {
    this.store = store;
    this.shards = shards;
  }

  async add(windows: readonly WindowKey[]): Promise<void> {
    for (const window of windows) {
      if (this.shards.size === SHARDS || this.isOursByName(window)) this.keep(window);
      else this.others.push(window);
    }
    if (this.others.length >= WINDOWS_AT_ONCE) await this.lookAtOthers();
  }

  /** After the last of them. */
  async lookAtOthers(): Promise<void> {
    const { others } = this;
    if (others.length === 0) return;
    this.others = [];
    const subjects = new Map(others.map(({ tenant, subject }) => [keyText(tenant, subject), { tenant, subject }]));
    const assigned = await this.store.readAssigned([...subjects.values()]);
    const ours = new Set(
      assigned
        .filter(({ tenant, assignments }) =>
          assignments.some(({ customer }) => this.shards.has(shardOf(tenant, customer))),
        )
        .map(({ tenant, subject }) => keyText(tenant, subject)),
    );
    if (ours.size === 0) return;
    for (const window of others) if (ours.has(keyText(window.tenant, window.subject))) this.keep(window);
  }

  private isOursByName({ tenant, subject }: WindowKey): boolean {
    const { last } = this;
    if (last.subject !== subject || last.tenant !== tenant)
      this.last = { tenant, subject, isOurs: this.shards.has(shardOf(tenant, subject)) };
    return this.last.isOurs;
  }

  private keep({ tenant, subject, windowStart }: WindowKey): void {
    if (touch(this.touched, tenant, subject, windowStart)) this.size++;
  }
}
