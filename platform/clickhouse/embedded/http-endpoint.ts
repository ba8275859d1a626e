// Serves the in-process engine over the part of ClickHouse's HTTP interface that its official client uses, so that a
// laptop and a cluster run the same code. Loopback only; every request but /ping carries the password.
import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { createBrotliDecompress, createGunzip, createGzip, createInflate } from 'node:zlib';
import type { Logger } from 'pino';
import { Engine, EngineError, type EngineStatement, engineError } from './engine.ts';

export interface EndpointOptions {
  readonly dataDir: string;
  /** 0: any free port. */
  readonly port: number;
  readonly username: string;
  readonly password: string;
  /** Bytes the engine may allocate in all; default 4 GiB. */
  readonly memoryBytesMax?: number;
  /** Largest request body, after decompression; default 512 MiB. */
  readonly bodyBytesMax?: number;
  /** Largest result that is held back until it is complete (`wait_end_of_query`); default 256 MiB. */
  readonly heldResultBytesMax?: number;
}

export interface Endpoint {
  /** http://127.0.0.1:PORT */
  readonly url: string;
  /** Finishes running statements, then closes the data directory. */
  close(): Promise<void>;
}

/** URL parameters of the HTTP interface that are no settings of the engine. */
const HTTP_PARAMETERS: ReadonlySet<string> = new Set([
  'query', 'query_id', 'database', 'default_format', 'user', 'password', 'quota_key', 'session_id', 'session_timeout', 'session_check',
  'role', 'compress', 'decompress', 'stacktrace', 'buffer_size', 'wait_end_of_query', 'send_progress_in_http_headers',
  'http_headers_progress_interval_ms', 'http_response_buffer_size', 'enable_http_compression', 'http_zlib_compression_level',
  'http_native_compression_disable_checksumming_on_decompress', 'output_format_parallel_formatting',
]); // biome-ignore format: a list

const STATUS_BY_CODE: ReadonlyMap<number, number> = new Map([
  [6, 400], [26, 400], [27, 400], [36, 400], [38, 400], [41, 400], [47, 404], [46, 404], [48, 501], [53, 400], [60, 404], [62, 400],
  [72, 400], [81, 404], [115, 404], [117, 400], [159, 408], [202, 503], [210, 503], [241, 500], [252, 500], [307, 413], [394, 503],
  [456, 400], [516, 401],
]); // biome-ignore format: a table

/** Opens `dataDir` and serves it. Rejects when the port or the directory is in use. */
export async function serveEmbeddedClickHouse(options: EndpointOptions, logger: Logger): Promise<Endpoint> {
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const engine = await Engine.open({
    dataDir: options.dataDir,
    connectionsMax: 6,
    waitingMax: 1_000,
    memoryBytesMax: options.memoryBytesMax ?? 4 * 2 ** 30,
  });
  const handler = new RequestHandler(engine, options, logger);
  const server = createServer(
    { maxHeaderSize: 2 ** 20, keepAliveTimeout: 10_000, requestTimeout: 0 },
    (request, response) => {
      handler.handle(request, response).catch((error: Error) => {
        logger.debug({ err: error }, 'a ClickHouse response could not be sent');
        response.destroy();
      });
    },
  );
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, '127.0.0.1', resolve);
    });
  } catch (error) {
    await engine.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      await engine.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

class RequestHandler {
  private readonly engine: Engine;
  private readonly logger: Logger;
  private readonly bodyBytesMax: number;
  private readonly heldResultBytesMax: number;
  private readonly username: string;
  private readonly credentials: Buffer;

  constructor(engine: Engine, options: EndpointOptions, logger: Logger) {
    this.engine = engine;
    this.logger = logger;
    this.bodyBytesMax = options.bodyBytesMax ?? 512 * 2 ** 20;
    this.heldResultBytesMax = options.heldResultBytesMax ?? 256 * 2 ** 20;
    this.username = options.username;
    this.credentials = digest(options.username, options.password);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    response.setHeader('X-ClickHouse-Server-Display-Name', 'tallyline-embedded');
    if (url.pathname === '/ping') {
      request.resume();
      response.end('Ok.\n');
      return;
    }
    const queryId = url.searchParams.get('query_id') ?? randomUUID();
    response.setHeader('X-ClickHouse-Query-Id', queryId);
    response.setHeader('X-ClickHouse-Timezone', 'UTC');
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      if (url.pathname !== '/') throw engineError(36, 'BAD_ARGUMENTS', `There is no handle ${url.pathname}`);
      this.authenticate(request, url);
      const body = bodyOf(request, this.bodyBytesMax);
      const inUrl = url.searchParams.get('query') ?? '';
      if (/^\s*INSERT\b[\s\S]*\bFORMAT\s+\w+\s*;?\s*$/i.test(inUrl)) {
        const bytes = await this.engine.insert(statementOf(url, inUrl, gone.signal), body);
        response.setHeader('X-ClickHouse-Summary', summaryHeader(bytes));
        response.end();
        return;
      }
      const sql = [inUrl, await text(body)].filter((part) => part !== '').join('\n');
      if (sql.trim() === '') throw engineError(62, 'SYNTAX_ERROR', 'Empty query');
      await this.answer(url, statementOf(url, sql, gone.signal), request, response);
    } catch (error) {
      // What is left of the request is read, so that the client hears the answer.
      request.resume();
      this.fail(error, response);
    }
  }

  private authenticate(request: IncomingMessage, url: URL): void {
    let user = String(request.headers['x-clickhouse-user'] ?? url.searchParams.get('user') ?? '');
    let password = String(request.headers['x-clickhouse-key'] ?? url.searchParams.get('password') ?? '');
    const basic = /^Basic (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (basic !== undefined) {
      const text = Buffer.from(basic, 'base64').toString('utf8');
      const colon = text.indexOf(':');
      [user, password] = [text.slice(0, colon), text.slice(colon + 1)];
    }
    if (!timingSafeEqual(digest(user, password), this.credentials)) {
      throw engineError(
        516,
        'AUTHENTICATION_FAILED',
        `${user}: Authentication failed: password is incorrect, or there is no such user (here: ${this.username})`,
      );
    }
  }

  private async answer(
    url: URL,
    statement: EngineStatement,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const chunks = this.engine.run(statement);
    const held = url.searchParams.get('wait_end_of_query') === '1';
    try {
      let first: Uint8Array[];
      if (held) first = await this.hold(chunks);
      else {
        // An error before the first chunk still gets its own status.
        const { value, done } = await chunks.next();
        first = done === true || value === undefined ? [] : [value];
      }
      response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
      response.setHeader('X-ClickHouse-Format', url.searchParams.get('default_format') ?? 'TabSeparated');
      response.setHeader('X-ClickHouse-Summary', summaryHeader(0));
      const exceptionTag = randomBytes(8).toString('hex');
      response.setHeader('X-ClickHouse-Exception-Tag', exceptionTag);
      const compressed =
        url.searchParams.get('enable_http_compression') === '1' &&
        /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
      if (compressed) response.setHeader('Content-Encoding', 'gzip');
      const output = compressed ? createGzip() : response;
      if (output !== response) output.pipe(response);
      const aborted = new Promise<void>((resolve) => response.once('close', resolve));
      const write = async (chunk: Uint8Array | string): Promise<void> => {
        if (!output.write(chunk)) await Promise.race([once(output, 'drain'), aborted]);
      };
      try {
        for (const chunk of first) await write(chunk);
        if (!held) {
          for await (const chunk of chunks) {
            if (response.destroyed) return;
            await write(chunk);
          }
        }
      } catch (error) {
        // The status is sent already: the exception follows the rows, marked as ClickHouse marks it.
        const message = `${(error as Error).message.slice(0, 4_096)}\n`;
        await write(
          `\r\n__exception__\r\n${exceptionTag}\r\n${message}${Buffer.byteLength(message)} ${exceptionTag}\r\n__exception__\r\n`,
        );
        this.logger.warn({ err: error }, 'a ClickHouse query failed after its first rows');
      }
      output.end();
    } finally {
      await chunks.return();
    }
  }

  private async hold(chunks: AsyncGenerator<Uint8Array>): Promise<Uint8Array[]> {
    const held: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > this.heldResultBytesMax) {
        throw engineError(
          396,
          'TOO_MANY_ROWS_OR_BYTES',
          `Limit for result exceeded, max bytes: ${this.heldResultBytesMax}`,
        );
      }
      held.push(chunk);
    }
    return held;
  }

  private fail(error: unknown, response: ServerResponse): void {
    const { code, message } =
      error instanceof EngineError
        ? error
        : engineError(1002, 'UNKNOWN_EXCEPTION', error instanceof Error ? error.message : String(error));
    this.logger.debug({ code, message }, 'a ClickHouse statement failed');
    if (response.headersSent) {
      response.destroy();
      return;
    }
    response.statusCode = STATUS_BY_CODE.get(code) ?? 500;
    response.setHeader('X-ClickHouse-Exception-Code', String(code));
    response.removeHeader('Content-Encoding');
    response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
    response.end(`${message}\n`);
  }
}

const digest = (user: string, password: string): Buffer =>
  createHash('sha256').update(`${user.length}:${user}${password}`).digest();

function statementOf(url: URL, sql: string, signal: AbortSignal): EngineStatement {
  const settings = new Map<string, string>();
  const params = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    if (name.startsWith('param_')) params.set(name.slice('param_'.length), value);
    else if (!HTTP_PARAMETERS.has(name)) settings.set(name, value);
  }
  return {
    sql,
    database: url.searchParams.get('database'),
    settings,
    params,
    format: url.searchParams.get('default_format') ?? 'TabSeparated',
    signal,
  };
}

/** What the engine does not tell is left out. */
const summaryHeader = (writtenBytes: number): string =>
  JSON.stringify({
    read_rows: '0',
    read_bytes: '0',
    written_bytes: String(writtenBytes),
    total_rows_to_read: '0',
    result_rows: '0',
    result_bytes: '0',
    elapsed_ns: '0',
  });

/** The parts of a request's body, decompressed. Throws where they are more than `bytesMax` bytes in all. */
async function* bodyOf(request: IncomingMessage, bytesMax: number): AsyncGenerator<Buffer, void, undefined> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  const decoder =
    encoding === 'gzip'
      ? createGunzip()
      : encoding === 'deflate'
        ? createInflate()
        : encoding === 'br'
          ? createBrotliDecompress()
          : null;
  if (decoder === null && encoding !== 'identity')
    throw engineError(36, 'BAD_ARGUMENTS', `Unknown Content-Encoding ${encoding}`);
  if (/^multipart\//i.test(request.headers['content-type'] ?? '')) {
    throw engineError(
      48,
      'NOT_IMPLEMENTED',
      'The in-process engine takes query parameters in the URL, not as multipart/form-data',
    );
  }
  const source = decoder === null ? request : request.pipe(decoder);
  request.once('error', (error) => decoder?.destroy(error));
  let bytes = 0;
  for await (const part of source as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > bytesMax) throw engineError(307, 'TOO_MANY_BYTES', `The request body is larger than ${bytesMax} bytes`);
    yield part;
  }
}
