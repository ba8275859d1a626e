// The in-process ClickHouse engine as a pool of connections to one data directory. A connection keeps its database,
// settings and parameters from one statement to the next, so each statement first brings them to exactly what it asks
// for.

import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Session as ChdbSession } from 'chdb';
import { quoted } from '../quoted.ts';

export interface EngineOptions {
  readonly dataDir: string;
  /** Statements that run at the same time; more wait. */
  readonly connectionsMax: number;
  /** Statements that wait for a connection; more are refused. */
  readonly waitingMax: number;
  /** Bytes the engine may allocate in all. */
  readonly memoryBytesMax: number;
}

export interface EngineStatement {
  readonly sql: string;
  /** Null: the default database. */
  readonly database: string | null;
  readonly settings: ReadonlyMap<string, string>;
  /** Values of `{name:Type}` placeholders, escaped as ClickHouse's HTTP interface expects them. */
  readonly params: ReadonlyMap<string, string>;
  /** Output format where the statement names none. */
  readonly format: string;
  /** Fires when nobody waits for the answer any more: the statement is then not begun, or ended where it reads. */
  readonly signal: AbortSignal;
}

/** An error in ClickHouse's own words, `Code: N. DB::Exception: …`. */
export class EngineError extends Error {
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
    this.code = code;
  }
}

export const engineError = (code: number, name: string, message: string): EngineError =>
  new EngineError(code, `Code: ${code}. DB::Exception: ${message}. (${name})`);

const isSame = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);

const cancelled = (): EngineError => engineError(394, 'QUERY_WAS_CANCELLED', 'Nobody waits for the answer any more');

function asEngineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  if (error instanceof Error && 'code' in error && error.code === 'ENOSPC')
    return engineError(243, 'NOT_ENOUGH_SPACE', error.message);
  const message = error instanceof Error ? error.message : String(error);
  const code = /Code: (\d+)\./.exec(message)?.[1];
  if (code === undefined)
    return new EngineError(1002, `Code: 1002. DB::Exception: ${message}. (UNKNOWN_EXCEPTION)`, { cause: error });
  return new EngineError(Number(code), message, { cause: error });
}

const identifier = (name: string): string => `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;

interface Connection {
  /** Every statement of the connection carries it as its log_comment, so that another can name the one that runs. */
  readonly name: string;
  readonly session: ChdbSession;
  database: string | null;
  readonly settings: Map<string, string>;
  readonly params: Map<string, string>;
}

interface Waiting {
  /** As ClickHouse's setting of this name: lower goes first, and none (0) before all. */
  readonly priority: number;
  resolve(connection: Connection): void;
  reject(error: Error): void;
}

/** A read that is to end is told so again until it has. */
const KILL_INTERVAL_MS = 200;

/** What waits to be written to the file of a body. */
const BODY_BUFFER_BYTES = 1 << 20;

const INSERT = /^\s*INSERT\s+INTO\s+(?:TABLE\s+)?([\w.`"]+)\s*(?:\(([\w\s,`"]*)\))?\s*FORMAT\s+(\w+)\s*;?\s*$/i;
const READS = /^(?:\s|\(|--[^\n]*\n|\/\*[\s\S]*?\*\/)*(?:SELECT|WITH)\b/i;
/** Characters that the engine reads as a pattern in the name of a file. */
const PATTERN = /[*?{}]/;
const BODY_FORMATS: ReadonlySet<string> = new Set([
  'Native',
  'TabSeparated',
  'TSV',
  'TabSeparatedWithNames',
  'TSVWithNames',
  'JSONEachRow',
  'JSONCompactEachRow',
  'CSV',
  'CSVWithNames',
]);

export class Engine {
  private readonly options: EngineOptions;
  private readonly openSession: () => ChdbSession;
  private readonly connections = new Set<Connection>();
  private readonly idle: Connection[] = [];
  /** In the order in which they go on. */
  private readonly waiting: Waiting[] = [];
  /** Ends reads on the others; it runs nothing else, so that it is free when all of them are taken. */
  private killer: ChdbSession | null = null;
  private opened = 0;
  /** A directory for the body of each insert, while it is read. */
  private readonly bodies: string;
  private inserts = 0;
  private closing: Promise<void> | null = null;
  private allIdle: (() => void) | null = null;

  private constructor(options: EngineOptions, open: () => ChdbSession) {
    this.options = options;
    this.openSession = open;
    this.bodies = join(resolve(options.dataDir), 'insert-bodies');
  }

  /**
   * Opens the data directory, which one process at a time may do. Throws where the engine is missing or the directory
   * in use.
   */
  static async open(options: EngineOptions): Promise<Engine> {
    let chdb: typeof import('chdb');
    try {
      chdb = createRequire(import.meta.url)('chdb') as typeof import('chdb');
    } catch (cause) {
      throw new Error(
        `no in-process ClickHouse for ${process.platform}-${process.arch} (package chdb): install it, or set CLICKHOUSE_URL to a ClickHouse server`,
        { cause },
      );
    }
    if (PATTERN.test(resolve(options.dataDir))) {
      throw new Error(
        `${options.dataDir} can't hold ClickHouse's data: its name may have none of the characters * ? { }`,
      );
    }
    const connectionArgs = [`--max_server_memory_usage=${options.memoryBytesMax}`, '--mark_cache_size=268435456'];
    const engine = new Engine(options, () => new chdb.Session(options.dataDir, { connectionArgs }));
    try {
      engine.idle.push(await engine.connect());
      engine.killer = engine.openSession();
    } catch (cause) {
      throw new Error(
        `${options.dataDir} could not be opened (is another process using it?): ${(cause as Error).message}`,
        {
          cause,
        },
      );
    }
    // What a process that was killed has left.
    await rm(engine.bodies, { recursive: true, force: true });
    await mkdir(engine.bodies);
    return engine;
  }

  private async connect(): Promise<Connection> {
    const name = `connection ${this.opened++}`;
    const connection: Connection = {
      ...{ name, session: this.openSession(), database: null, settings: new Map(), params: new Map() },
    };
    this.connections.add(connection);
    try {
      await connection.session.queryAsync(`SET log_comment = ${quoted(name)}`);
      return connection;
    } catch (error) {
      this.discard(connection);
      throw error;
    }
  }

  private discard(connection: Connection): void {
    this.connections.delete(connection);
    connection.session.close();
  }

  private async acquire({ settings, signal }: EngineStatement): Promise<Connection> {
    if (this.closing !== null) throw engineError(210, 'NETWORK_ERROR', 'The engine is shutting down');
    if (signal.aborted) throw cancelled();
    if (this.idle.length > 0) {
      // One that has these settings already need not be told them.
      const ready = this.idle.findLastIndex((connection) => isSame(connection.settings, settings));
      return this.idle.splice(ready, 1)[0]!;
    }
    if (this.connections.size < this.options.connectionsMax) return this.connect();
    if (this.waiting.length >= this.options.waitingMax) {
      throw engineError(
        202,
        'TOO_MANY_SIMULTANEOUS_QUERIES',
        `Too many simultaneous queries: ${this.waiting.length} wait already`,
      );
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { priority: Number(settings.get('priority') ?? 0), resolve, reject };
      const after = this.waiting.findIndex(({ priority }) => priority > waiting.priority);
      this.waiting.splice(after === -1 ? this.waiting.length : after, 0, waiting);
      const giveUp = (): void => {
        const at = this.waiting.indexOf(waiting);
        if (at !== -1) this.waiting.splice(at, 1);
        reject(cancelled());
      };
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  private release(connection: Connection): void {
    const next = this.connections.has(connection) ? this.waiting.shift() : undefined;
    if (next !== undefined) next.resolve(connection);
    else if (this.connections.has(connection)) this.idle.push(connection);
    else if (this.waiting.length > 0) {
      const { resolve, reject } = this.waiting.shift()!;
      this.connect().then(resolve, reject);
    }
    if (this.idle.length === this.connections.size) this.allIdle?.();
  }

  /** Brings the connection's state to what the statement asks for. */
  private async prepare(connection: Connection, statement: EngineStatement): Promise<void> {
    const assignments: string[] = [];
    for (const name of connection.settings.keys()) {
      if (!statement.settings.has(name)) assignments.push(`${name} = DEFAULT`);
    }
    for (const [name, value] of statement.settings) {
      if (!/^[A-Za-z_]\w*$/.test(name)) throw engineError(115, 'UNKNOWN_SETTING', `Unknown setting ${quoted(name)}`);
      if (connection.settings.get(name) !== value) assignments.push(`${name} = ${quoted(value)}`);
    }
    for (const name of connection.params.keys()) {
      // A parameter can't be unset. One left by an earlier statement must not stand in for one that is missing now.
      if (!statement.params.has(name) && new RegExp(`\\{\\s*${name}\\s*:`).test(statement.sql)) {
        throw engineError(456, 'UNKNOWN_QUERY_PARAMETER', `Substitution \`${name}\` is not set`);
      }
    }
    for (const [name, value] of statement.params) {
      if (!/^\w+$/.test(name)) throw engineError(36, 'BAD_ARGUMENTS', `Bad parameter name ${quoted(name)}`);
      if (connection.params.get(name) !== value) assignments.push(`param_${name} = ${quoted(value)}`);
    }
    const steps: string[] = [];
    const database = statement.database ?? 'default';
    if (connection.database !== database) steps.push(`USE ${identifier(database)}`);
    if (assignments.length > 0) steps.push(`SET ${assignments.join(', ')}`);
    if (steps.length === 0) return;
    try {
      await connection.session.queryAsync(steps.join('; '));
    } catch (error) {
      // Some of it may hold by now: no later statement may meet such a connection.
      this.discard(connection);
      throw error;
    }
    connection.database = database;
    connection.settings.clear();
    for (const [name, value] of statement.settings) connection.settings.set(name, value);
    for (const [name, value] of statement.params) connection.params.set(name, value);
  }

  /**
   * Runs a statement and yields its output in chunks. A SELECT is computed as the chunks are taken, and ends early when
   * the iteration does, or its signal fires. Throws an EngineError, a SELECT possibly after some chunks.
   */
  async *run(statement: EngineStatement): AsyncGenerator<Uint8Array, void, undefined> {
    const connection = await this.acquire(statement);
    try {
      await this.prepare(connection, statement);
      if (READS.test(statement.sql)) {
        const stream = connection.session.queryStream(statement.sql, { format: statement.format as 'JSONEachRow' });
        const stopWatching = this.killOnAbort(connection, statement.signal);
        try {
          for await (const chunk of stream) yield chunk.raw();
        } catch (error) {
          // A read that has failed counts as running, memory and priority included, until the connection does something
          // else.
          await connection.session.queryAsync('SELECT 1');
          throw error;
        } finally {
          await stopWatching();
          stream.cancel();
        }
      } else {
        const result = await connection.session.queryAsync(statement.sql, {
          format: statement.format as 'JSONEachRow',
        });
        yield result.bytes();
      }
    } catch (error) {
      throw asEngineError(error);
    } finally {
      this.release(connection);
    }
  }

  /**
   * Ends what the connection reads, which it can't do by itself while it works on the first rows. Resolves once that is
   * over.
   */
  private killOnAbort({ name }: Connection, signal: AbortSignal): () => Promise<void> {
    const sql = `KILL QUERY WHERE Settings['log_comment'] = ${quoted(name)} ASYNC`;
    let timer: NodeJS.Timeout | undefined;
    let last: Promise<unknown> = Promise.resolve();
    const kill = (): void => {
      // What can't be killed ends by the time it was given.
      last = this.killer?.queryAsync(sql).catch(() => {}) ?? last;
      timer = setTimeout(kill, KILL_INTERVAL_MS);
    };
    if (signal.aborted) kill();
    else signal.addEventListener('abort', kill, { once: true });
    return async () => {
      signal.removeEventListener('abort', kill);
      clearTimeout(timer);
      // One that came late would end the connection's next statement.
      await last;
    };
  }

  /**
   * Runs `INSERT INTO table (columns) FORMAT name` with a body of rows, byte for byte, none being no insert. Resolves
   * to their bytes once they are stored.
   */
  async insert(statement: EngineStatement, body: AsyncIterable<Buffer>): Promise<number> {
    const [, table, columns, format] = INSERT.exec(statement.sql) ?? [];
    if (table === undefined || format === undefined || !BODY_FORMATS.has(format)) {
      throw engineError(
        48,
        'NOT_IMPLEMENTED',
        `The in-process engine takes a body only for INSERT INTO table (columns) FORMAT ${[...BODY_FORMATS].join(' | ')}`,
      );
    }
    const into = `INSERT INTO ${table} ${columns === undefined ? '' : `(${columns})`}`;
    const file = join(this.bodies, String(this.inserts++));
    try {
      // Half the CPU time of the same rows given as the statement's own data (roll-ups: 1.3 µs a row instead of 2.5).
      // It is never in memory as a whole, which would make node collect garbage all the time.
      const written = createWriteStream(file, { flags: 'wx', highWaterMark: BODY_BUFFER_BYTES });
      await pipeline(body, written);
      const { bytesWritten } = written;
      if (bytesWritten > 0) {
        await this.runPrepared(statement, `${into} FROM INFILE ${quoted(file)} COMPRESSION 'none' FORMAT ${format}`);
      }
      return bytesWritten;
    } catch (error) {
      throw asEngineError(error);
    } finally {
      await rm(file, { force: true });
    }
  }

  private async runPrepared(statement: EngineStatement, sql: string): Promise<void> {
    const connection = await this.acquire(statement);
    try {
      await this.prepare(connection, statement);
      await connection.session.queryAsync(sql);
    } finally {
      this.release(connection);
    }
  }

  /** Waits for running statements, refuses waiting ones, closes the data directory. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      for (const { reject } of this.waiting.splice(0))
        reject(engineError(210, 'NETWORK_ERROR', 'The engine is shutting down'));
      if (this.idle.length < this.connections.size) {
        await new Promise<void>((resolve) => {
          this.allIdle = resolve;
        });
      }
      for (const { session } of this.connections) session.close();
      this.killer?.close();
    })();
    return this.closing;
  }
}
