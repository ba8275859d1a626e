// The ClickHouse port over HTTP. Every insert names the settings that keyed rows rely on, and every error leaves as a
// ClickHouseError that says whether the same call may succeed later.
import { Readable } from 'node:stream';
import { ClickHouseLogLevel, createClient, type Row, ClickHouseError as ServerError } from '@clickhouse/client';
import type { Logger } from 'pino';
import { CALL_TIMEOUT_MS, INSERT_TIMEOUT_MS } from './call-terms.ts';
import { type CallTerms, type ClickHouse, ClickHouseError } from './click-house.ts';
import { type DamagedPart, isDamage, partIn } from './damage.ts';
import { bodyBytes, type InsertBody } from './native-block.ts';

export interface ClickHouseOptions {
  /** http:// or https://, without credentials. */
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly database: string;
  readonly connectionsMax?: number;
  /** A call is given up after this long, where its terms say nothing else; default: as in call-terms.ts. */
  readonly requestTimeoutMs?: number;
  /** Told of every part that could not be read. */
  readonly onDamaged?: (part: DamagedPart, reason: string) => void;
}

/** The port, and what only a migration needs. */
export interface ClickHouseDatabase extends ClickHouse {
  readonly database: string;
  /** Creates the database itself if it is missing. */
  createDatabase(): Promise<void>;
}

// Rows are named by their place in the log (see schemas/clickhouse), so ClickHouse must neither drop an insert that
// looks like an earlier one, nor answer before the rows are stored, nor merge rows of one insert by itself.
const insertSettings = {
  deduplicate_insert: 'disable',
  async_insert: 0,
  optimize_on_insert: 0,
  input_format_parallel_parsing: 0,
  // A column of low cardinality is sent as its values.
  input_format_native_allow_types_conversion: 1,
} as Record<string, string | number>;

const readSettings = { output_format_json_quote_64bit_integers: 1, output_format_json_quote_decimals: 1 } as const;

/** ClickHouse's codes for conditions that pass by themselves: overload, replicas or coordination away, timeouts. */
const RETRIABLE_CODES: ReadonlySet<number> = new Set([
  159, 164, 202, 203, 209, 210, 225, 236, 241, 242, 243, 252, 279, 285, 286, 289, 290, 319, 394, 425, 439, 499, 999,
]);

/** What a call was, for whoever reads its error. */
interface Call {
  readonly what: string;
  readonly isRead: boolean;
}

function mapError(error: unknown, { what, isRead }: Call, url: string): ClickHouseError {
  if (error instanceof ClickHouseError) return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  if (cause instanceof ServerError) {
    const code = Number(cause.code);
    const damaged = isRead && isDamage(code) ? partIn(cause.message) : null;
    return new ClickHouseError(
      `${what}: ${cause.message} (${cause.type ?? 'code'} ${code})`,
      code,
      RETRIABLE_CODES.has(code),
      { cause, damaged },
    );
  }
  // Everything else came from the way to the server, but for values that can't be bound at all.
  const isOurs = cause instanceof TypeError || cause.message.startsWith('Unsupported value');
  const reason = (cause as NodeJS.ErrnoException).code ?? '';
  const where = isOurs ? '' : `ClickHouse at ${new URL(url).host} does not answer: `;
  return new ClickHouseError(`${what}: ${where}${cause.message || reason}`, null, !isOurs, { cause });
}

const PIECE_BYTES = 262_144;

/** The same bytes in pieces of a size that is worth a write to a socket: the end of a column by itself is not. */
function* pieces(body: InsertBody): Generator<Buffer> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for (const part of body) {
    const isLong = part.length >= PIECE_BYTES;
    if (!isLong) {
      waiting.push(part);
      bytes += part.length;
      if (bytes < PIECE_BYTES) continue;
    }
    if (bytes > 0) yield Buffer.concat(waiting, bytes);
    if (isLong) yield part;
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(waiting, bytes);
}

/**
 * Gives a call up when it takes too long, or when whoever asked says so: its socket is then closed, and not used again.
 */
class CallDeadline {
  private readonly timeoutMs: number;
  private readonly giver: AbortSignal | undefined;
  private readonly controller = new AbortController();
  private readonly givenUp: Promise<never>;
  private readonly cancel = (): void => this.controller.abort(new Error('nobody waits for the answer any more'));

  constructor(timeoutMs: number, giver: AbortSignal | undefined) {
    this.timeoutMs = timeoutMs;
    this.giver = giver;
    const { signal } = this.controller;
    this.givenUp = new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    this.givenUp.catch(() => {});
    if (giver?.aborted === true) this.cancel();
    else giver?.addEventListener('abort', this.cancel, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** As `work`; rejects when it has not settled in time. */
  async within<Result>(work: () => Promise<Result>): Promise<Result> {
    const timer = setTimeout(
      () => this.controller.abort(new Error(`no answer within ${this.timeoutMs} ms`)),
      this.timeoutMs,
    );
    try {
      // The reason comes first, before what the aborted call says of itself.
      return await Promise.race([this.givenUp, work()]);
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    this.giver?.removeEventListener('abort', this.cancel);
  }
}

/** A client for one database. It connects when first used; `close()` releases its sockets. */
export function createClickHouse(options: ClickHouseOptions, logger: Logger): ClickHouseDatabase {
  const silenceMs = options.requestTimeoutMs ?? CALL_TIMEOUT_MS;
  const connect = (database: string) =>
    createClient({
      url: options.url,
      username: options.username,
      password: options.password,
      database,
      application: 'tallyline',
      request_timeout: silenceMs,
      max_open_connections: options.connectionsMax ?? 10,
      // Below the server's own limit, so that no request meets a socket the server is closing.
      keep_alive: { enabled: true, idle_socket_ttl: 2_000, eagerly_destroy_stale_sockets: true },
      // Errors reach the caller, who knows what they mean; the library's own lines would only repeat them.
      log: { level: ClickHouseLogLevel.OFF },
    });
  const client = connect(options.database);

  const failure = (error: unknown, call: Call): ClickHouseError => {
    const mapped = mapError(error, call, options.url);
    if (mapped.damaged !== null) options.onDamaged?.(mapped.damaged, mapped.message);
    return mapped;
  };
  const timeoutOf = (terms: CallTerms | undefined, defaultMs: number): number =>
    terms?.timeoutMs ?? options.requestTimeoutMs ?? defaultMs;
  const guarded = async <Result>(
    call: Call,
    terms: CallTerms | undefined,
    defaultTimeoutMs: number,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> => {
    const deadline = new CallDeadline(timeoutOf(terms, defaultTimeoutMs), terms?.signal);
    try {
      return await deadline.within(() => work(deadline.signal));
    } catch (error) {
      throw failure(error, call);
    } finally {
      deadline.end();
    }
  };
  const read: Call = { what: 'query', isRead: true };

  return {
    database: options.database,

    insert: (table, columns, body, terms) =>
      guarded({ what: `insert into ${table}`, isRead: false }, terms, INSERT_TIMEOUT_MS, async (signal) => {
        if (bodyBytes(body) === 0) return;
        const inserted = await client.exec({
          query: `INSERT INTO ${table} (${columns.map(({ name }) => `\`${name}\``).join(', ')}) FORMAT Native`,
          values: Readable.from(pieces(body), { objectMode: false }),
          clickhouse_settings: { ...terms?.settings, ...insertSettings },
          abort_signal: signal,
        });
        // It answers nothing, but its socket is only free once that was read.
        for await (const _ of inserted.stream);
      }),

    query: <Row>(sql: string, params?: Readonly<Record<string, unknown>>, terms?: CallTerms) =>
      guarded(read, terms, CALL_TIMEOUT_MS, async (signal) => {
        const result = await client.query({
          query: sql,
          format: 'JSONEachRow',
          ...(params && { query_params: { ...params } }),
          // The status line then tells a failure that comes after the first rows.
          clickhouse_settings: { ...terms?.settings, ...readSettings, wait_end_of_query: 1 },
          abort_signal: signal,
        });
        return (await result.json()) as Row[];
      }),

    queryBinary: (sql, params, terms) =>
      guarded(read, terms, CALL_TIMEOUT_MS, async (signal) => {
        const result = await client.exec({
          query: `${sql}\nFORMAT RowBinary`,
          ...(params && { query_params: { ...params } }),
          // No failure may come after the first row: it could not be told from rows.
          clickhouse_settings: { ...terms?.settings, wait_end_of_query: 1 },
          abort_signal: signal,
        });
        const pieces: Buffer[] = [];
        for await (const piece of result.stream) pieces.push(piece as Buffer);
        return Buffer.concat(pieces);
      }),

    async *stream(sql, params, terms) {
      const deadline = new CallDeadline(timeoutOf(terms, CALL_TIMEOUT_MS), terms?.signal);
      try {
        const result = await deadline.within(() =>
          client.query({
            query: sql,
            format: 'JSONCompactEachRow',
            ...(params && { query_params: { ...params } }),
            clickhouse_settings: { ...terms?.settings, ...readSettings },
            abort_signal: deadline.signal,
          }),
        );
        try {
          const pieces: AsyncIterator<Row[]> = result.stream()[Symbol.asyncIterator]();
          // The deadline is for each piece: how long a stream takes in all is up to whoever reads it.
          for (;;) {
            const piece = await deadline.within(() => pieces.next());
            if (piece.done === true) return;
            yield piece.value.map((row) => row.json<unknown[]>());
          }
        } finally {
          result.close();
        }
      } catch (error) {
        throw failure(error, read);
      } finally {
        deadline.end();
      }
    },

    command: (sql, params, terms) =>
      guarded({ what: 'statement', isRead: false }, terms, CALL_TIMEOUT_MS, async (signal) => {
        await client.command({
          query: sql,
          ...(params && { query_params: { ...params } }),
          clickhouse_settings: { ...terms?.settings, wait_end_of_query: 1 },
          abort_signal: signal,
        });
      }),

    createDatabase: () =>
      guarded(
        { what: `create database ${options.database}`, isRead: false },
        undefined,
        CALL_TIMEOUT_MS,
        async (signal) => {
          const server = connect('default');
          try {
            await server.command({
              query: 'CREATE DATABASE IF NOT EXISTS {database:Identifier}',
              query_params: { database: options.database },
              abort_signal: signal,
            });
          } finally {
            await server.close();
          }
        },
      ),

    async close() {
      await client.close();
      logger.debug({ database: options.database }, 'ClickHouse client closed');
    },
  };
}
