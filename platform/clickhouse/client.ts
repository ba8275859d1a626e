// The ClickHouse port over HTTP. Every insert names the settings that keyed rows rely on, and every error leaves as a
// ClickHouseError that says whether the same call may succeed later.
import { Readable } from 'node:stream';
import { ClickHouseLogLevel, createClient, ClickHouseError as ServerError } from '@clickhouse/client';
import type { Logger } from 'pino';
import { type ClickHouse, ClickHouseError } from './click-house.ts';
import { bodyBytes, type InsertBody } from './native-block.ts';

export interface ClickHouseOptions {
  /** http:// or https://, without credentials. */
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly database: string;
  readonly connectionsMax?: number;
  /** A request without any traffic for this long is given up; default 5 minutes. */
  readonly requestTimeoutMs?: number;
}

/** The port, and what only a migration needs. */
export interface ClickHouseDatabase extends ClickHouse {
  readonly database: string;
  /** Creates the database itself if it is missing. */
  createDatabase(): Promise<void>;
}

// Rows are named by their place in the log (see schemas/clickhouse), so ClickHouse must neither drop an insert that looks
// like an earlier one, nor answer before the rows are stored, nor merge rows of one insert by itself.
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

function mapError(error: unknown, what: string, url: string): ClickHouseError {
  if (error instanceof ClickHouseError) return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  if (cause instanceof ServerError) {
    const code = Number(cause.code);
    return new ClickHouseError(
      `${what}: ${cause.message} (${cause.type ?? 'code'} ${code})`,
      code,
      RETRIABLE_CODES.has(code),
      { cause },
    );
  }
  // Everything else came from the way to the server, but for values that can't be bound at all.
  const isOurs = cause instanceof TypeError || cause.message.startsWith('Unsupported value');
  const reason = (cause as NodeJS.ErrnoException).code ?? '';
  const where = isOurs ? '' : `ClickHouse at ${new URL(url).host} can't be reached: `;
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

/** A client for one database. It connects when first used; `close()` releases its sockets. */
export function createClickHouse(options: ClickHouseOptions, logger: Logger): ClickHouseDatabase {
  const connect = (database: string) =>
    createClient({
      url: options.url,
      username: options.username,
      password: options.password,
      database,
      application: 'tallyline',
      request_timeout: options.requestTimeoutMs ?? 300_000,
      max_open_connections: options.connectionsMax ?? 10,
      // Below the server's own limit, so that no request meets a socket the server is closing.
      keep_alive: { enabled: true, idle_socket_ttl: 2_000, eagerly_destroy_stale_sockets: true },
      // Errors reach the caller, who knows what they mean; the library's own lines would only repeat them.
      log: { level: ClickHouseLogLevel.OFF },
    });
  const client = connect(options.database);
  const guarded = async <Result>(what: string, work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw mapError(error, what, options.url);
    }
  };

  return {
    database: options.database,

    insert: (table, columns, body) =>
      guarded(`insert into ${table}`, async () => {
        if (bodyBytes(body) === 0) return;
        const inserted = await client.exec({
          query: `INSERT INTO ${table} (${columns.map(({ name }) => `\`${name}\``).join(', ')}) FORMAT Native`,
          values: Readable.from(pieces(body), { objectMode: false }),
          clickhouse_settings: insertSettings,
        });
        // It answers nothing, but its socket is only free once that was read.
        for await (const _ of inserted.stream);
      }),

    query: <Row>(sql: string, params?: Readonly<Record<string, unknown>>) =>
      guarded('query', async () => {
        const result = await client.query({
          query: sql,
          format: 'JSONEachRow',
          ...(params && { query_params: { ...params } }),
          // The status line then tells a failure that comes after the first rows.
          clickhouse_settings: { ...readSettings, wait_end_of_query: 1 },
        });
        return (await result.json()) as Row[];
      }),

    queryBinary: (sql, params) =>
      guarded('query', async () => {
        const result = await client.exec({
          query: `${sql}\nFORMAT RowBinary`,
          ...(params && { query_params: { ...params } }),
          // No failure may come after the first row: it could not be told from rows.
          clickhouse_settings: { wait_end_of_query: 1 },
        });
        const pieces: Buffer[] = [];
        for await (const piece of result.stream) pieces.push(piece as Buffer);
        return Buffer.concat(pieces);
      }),

    async *stream(sql, params) {
      const result = await guarded('query', () =>
        client.query({
          query: sql,
          format: 'JSONCompactEachRow',
          ...(params && { query_params: { ...params } }),
          clickhouse_settings: readSettings,
        }),
      );
      try {
        for await (const rows of result.stream()) yield rows.map((row) => row.json<unknown[]>());
      } catch (error) {
        throw mapError(error, 'query', options.url);
      } finally {
        result.close();
      }
    },

    command: (sql, params) =>
      guarded('statement', async () => {
        await client.command({
          query: sql,
          ...(params && { query_params: { ...params } }),
          clickhouse_settings: { wait_end_of_query: 1 },
        });
      }),

    createDatabase: () =>
      guarded(`create database ${options.database}`, async () => {
        const server = connect('default');
        try {
          await server.command({
            query: 'CREATE DATABASE IF NOT EXISTS {database:Identifier}',
            query_params: { database: options.database },
          });
        } finally {
          await server.close();
        }
      }),

    async close() {
      await client.close();
      logger.debug({ database: options.database }, 'ClickHouse client closed');
    },
  };
}
