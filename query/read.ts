// What every read of the API is: a function from who asks and what for to the body of a 200, or to the pieces of it.
// Whatever it throws becomes a problem document.

import type { QueryParameters } from '../domain/requests/parameters.ts';
import { formatRfc3339 } from '../domain/time/rfc3339.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';
import type { StreamForm } from './core/accepted-form.ts';
import type { Catalogs } from './stores/catalogs.ts';
import type { RecentFreshness } from './stores/freshness.ts';
import type { BillingReads, UsageReads } from './stores/store-reads.ts';

export interface QueryContext {
  readonly pool: BillingReads;
  readonly clickhouse: UsageReads & Pick<ClickHouse, 'stream'>;
  readonly eventLog: Pick<EventLog, 'topicId' | 'partitions' | 'bounds'>;
  readonly catalogs: Catalogs;
  readonly freshnessWithin: RecentFreshness;
  readonly clock: () => number;
  readonly allowedLatenessMs: number;
}

export interface ReadRequest {
  /** Of the API key; nothing else in a request names one. */
  readonly tenant: string;
  /** Likewise: it may see what concerns all tenants together. */
  readonly isOperator: boolean;
  /** Likewise: whose it is limited to; null: it is the tenant's. */
  readonly customer: string | null;
  /** What may be told of, where the key is limited to a customer; null: every subject of the tenant. */
  readonly subjects: readonly string[] | null;
  /** The variable part of the path, decoded; "" where there is none. */
  readonly path: string;
  readonly parameters: QueryParameters;
}

/**
 * What a key that is limited to a customer is told. `all`: what every key of the tenant is, as nothing of it is
 * anybody's. `named`: as if its subjects stood in the parameter `subject`. `billed`: as if it stood in the parameter
 * `customer`. `own`: the read leaves out what is not of `request.subjects`.
 */
export type ToCustomers = 'all' | 'named' | 'billed' | 'own';

export type Read = (context: QueryContext, request: ReadRequest) => Promise<unknown>;

export interface AnswerStream {
  readonly mediaType: string;
  /** Texts of moderate size; the first comes once the store has answered. Throws where the answer can't be ended. */
  readonly pieces: AsyncIterable<string>;
}

export type StreamedRead = (context: QueryContext, request: ReadRequest, form: StreamForm) => Promise<AnswerStream>;

export const instantOrNull = (instant: number | null): string | null =>
  instant === null ? null : formatRfc3339(instant);
