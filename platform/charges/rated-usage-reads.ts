// The reads of usage that charges are computed from, as a port: of ClickHouse, or of what stands for it in a test.
// Every call rejects when its store does not answer.
import type {
  FirstSeenRow,
  FirstSeenSelection,
  RatedUsageRow,
  RatedUsageSelection,
} from '../usage-store/rated-usage.ts';
import type { SetSelection } from '../usage-store/rollup-windows.ts';

export interface RatedUsageReads {
  readUsage(selection: RatedUsageSelection): Promise<RatedUsageRow[]>;
  readFirstSeen(selection: FirstSeenSelection): Promise<FirstSeenRow[]>;
  /** The numbers of the sets that have a sealed row in the spans. */
  readSetsWithUsage(selection: SetSelection): Promise<number[]>;
}
