// Reads the installation back through its API, as any client would.
import { Agent, get } from 'node:http';
import type { Catalog, Meter } from '../../domain/catalog/catalog.ts';
import type { components } from '../../schemas/openapi.d.ts';
import { scaled, usageKey } from './oracle.ts';
import { type Bills, MONEY_SCALE } from './oracle-money.ts';

const QUANTITY_SCALE = 12;
const LINE_ITEMS_PAGE = 5_000;
const USAGE_PAGE = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
const RETRY_AFTER_MS = 500;

type Schemas = components['schemas'];
/** As an operator's key sees it. */
export type Status = Required<Schemas['Status']>;

export class ApiReader {
  private readonly url: string;
  private readonly apiKey: string;
  private readonly patienceMs: number;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 8 });

  /** `patienceMs`: how long what is answered 503 is asked again, as the answer says. */
  constructor(url: string, apiKey: string, { patienceMs = 0 } = {}) {
    this.url = url;
    this.apiKey = apiKey;
    this.patienceMs = patienceMs;
  }

  close(): void {
    this.agent.destroy();
  }

  async status(): Promise<Status> {
    const { partitions, ...status } = await this.read<Schemas['Status']>('/v1/status');
    if (partitions === undefined) throw new Error('GET /v1/status shows no partitions: the key is not an operator’s');
    return { ...status, partitions };
  }

  /** Of the newest price list. */
  async catalogVersion(): Promise<{ version: number; effectiveAt: number }> {
    const { version, effectiveAt } = await this.read<Schemas['CatalogVersion']>('/v1/catalog');
    return { version, effectiveAt: Date.parse(effectiveAt!) };
  }

  /** "accepted", "unknown" and so on. */
  async eventState(id: string, source: string): Promise<string> {
    const { state } = await this.read<Schemas['EventState']>(
      `/v1/events/${encodeURIComponent(id)}?${new URLSearchParams({ source })}`,
    );
    return state;
  }

  /**
   * Usage by group values, over the whole range or by window (see `usageKey`); times in milliseconds, on the meter's
   * windows.
   */
  async usage(meter: Meter, from: number, to: number, by: 'total' | 'window'): Promise<Map<string, bigint>> {
    const query = new URLSearchParams({
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      window: by === 'total' ? 'total' : meter.window,
    });
    for (const { name } of meter.dimensions) query.append('groupBy', name);
    query.set('limit', String(USAGE_PAGE));
    const usage = new Map<string, bigint>();
    for (;;) {
      const path = `/v1/meters/${encodeURIComponent(meter.slug)}/usage?${query}`;
      const { data, nextCursor } = await this.read<Schemas['Usage']>(path);
      for (const { windowStart, groups, value } of data) {
        const values = meter.dimensions.map(({ name }) => groups?.[name] ?? '');
        const key = usageKey(by === 'total' ? values : [String(Date.parse(windowStart)), ...values]);
        if (usage.has(key)) throw new Error(`the usage of ${meter.slug} has two rows for ${key}`);
        usage.set(key, scaled(value, QUANTITY_SCALE));
      }
      if (nextCursor === undefined || nextCursor === null) return usage;
      query.set('cursor', nextCursor);
    }
  }

  async allUsage(
    catalog: Catalog,
    from: number,
    to: number,
    by: 'total' | 'window',
  ): Promise<Map<string, Map<string, bigint>>> {
    const all = new Map<string, Map<string, bigint>>();
    for (const meter of catalog.meters) all.set(meter.slug, await this.usage(meter, from, to, by));
    return all;
  }

  /** All line items, added up by plan and customer. */
  async bills(): Promise<{ bills: Bills; counts: { usage: number; adjustment: number } }> {
    const bills: Bills = new Map();
    const counts = { usage: 0, adjustment: 0 };
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ limit: String(LINE_ITEMS_PAGE), ...(cursor === null ? {} : { cursor }) });
      const page: Schemas['LineItems'] = await this.read<Schemas['LineItems']>(`/v1/line-items?${query}`);
      for (const { customer, plan, amount, kind } of page.data) {
        const bill = bills.get(plan) ?? new Map<string, bigint>();
        bills.set(plan, bill);
        bill.set(customer, (bill.get(customer) ?? 0n) + scaled(amount, MONEY_SCALE));
        counts[kind] += 1;
      }
      cursor = page.nextCursor;
    } while (cursor !== null);
    return { bills, counts };
  }

  private async read<T>(path: string): Promise<T> {
    const deadline = performance.now() + this.patienceMs;
    for (;;) {
      try {
        return await this.readOnce<T>(path);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 503 || performance.now() >= deadline) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
    }
  }

  private readOnce<T>(path: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const options = { agent: this.agent, headers: { authorization: `Bearer ${this.apiKey}` } };
      const request = get(`${this.url}${path}`, options, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const body = Buffer.concat(parts).toString('utf8');
          if (response.statusCode === 200) resolve(JSON.parse(body) as T);
          else reject(new ApiError(path, response.statusCode ?? 0, body));
        });
      });
      request.setTimeout(REQUEST_TIMEOUT_MS, () => request.destroy(new Error(`GET ${path}: no answer`)));
      request.on('error', reject);
    });
  }
}

/** An answer other than 200. */
class ApiError extends Error {
  readonly status: number;

  constructor(path: string, status: number, body: string) {
    super(`GET ${path} answered ${status}: ${body.slice(0, 500)}`);
    this.name = 'ApiError';
    this.status = status;
  }
}
