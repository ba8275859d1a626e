// Which shards a rater holds from step to step. At the start of each step it gives back what is more than its share,
// and takes what is free up to it; it is told what it holds then, by the epochs by which it does.
import { type ShardGroup, type ShardState, shardsOf } from '../../platform/billing-store/rater-shards.ts';
import { shardsToMove } from '../core/shard-share.ts';
import type { RaterMetrics } from '../metrics.ts';
import type { RatingState } from '../store/rating-store.ts';

type ShardStore = Pick<RatingState, 'readShards' | 'takeShards' | 'giveBackShards'>;

export class HeldShards {
  private readonly store: ShardStore;
  private readonly rater: string;
  private readonly metrics: Pick<RaterMetrics, 'shardsHeld' | 'shardsLost' | 'ratedWatermark'>;
  /** As of the last step: epochs by shard. */
  private known: ReadonlyMap<number, number> = new Map();

  constructor(store: ShardStore, rater: string, metrics: HeldShards['metrics']) {
    this.store = store;
    this.rater = rater;
    this.metrics = metrics;
  }

  /** Its share, the shards that are furthest behind first. Nothing of an earlier step is under way any more. */
  async hold(): Promise<readonly ShardGroup[]> {
    const { store, rater, metrics } = this;
    let state = await store.readShards(rater);
    const own = shardsOf(state.own);
    const found = new Map(own.map(({ shard, epoch }) => [shard, epoch]));
    metrics.shardsLost([...this.known].filter(([shard, epoch]) => found.get(shard) !== epoch).length);
    const { giveBack, take } = shardsToMove({ own, free: shardsOf(state.free), raters: state.raters });
    if (giveBack.length > 0) await store.giveBackShards(rater, giveBack);
    if (take.length > 0) await store.takeShards(rater, take);
    if (giveBack.length + take.length > 0) state = await store.readShards(rater);
    this.knows(state);
    return [...state.own].sort((a, b) => behind(a) - behind(b));
  }

  /** What it held was given back. */
  forget(): void {
    this.known = new Map();
    this.metrics.shardsHeld(0);
  }

  private knows(state: ShardState): void {
    const held = shardsOf(state.own);
    this.known = new Map(held.map(({ shard, epoch }) => [shard, epoch]));
    this.metrics.shardsHeld(held.length);
    const all = [...state.own, ...state.others, ...state.free];
    this.metrics.ratedWatermark(Math.min(...all.map(behind)));
  }
}

const behind = ({ progress }: ShardGroup): number => progress.watermark ?? 0;
