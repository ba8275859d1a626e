// Runs the in-process ClickHouse as a process of its own (`tallyline clickhouse`) and keeps hold of it: the engine
// takes a core and gigabytes of its own, and its end must not be the end of the process that needs it.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Logger } from 'pino';

export interface EmbeddedClickHouse {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly database: string;
  readonly pid: number;
  /** Rejects when the process ends without `stop`. Never resolves. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

export interface EmbeddedClickHouseOptions {
  readonly dataDir: string;
  /** The `tallyline` command: node and its script, e.g. [process.execPath, '/…/dist/cli/main.js']. */
  readonly command: readonly [string, ...string[]];
  /** Kept over a restart, so that clients find it again. Default: any free port and a new password. */
  readonly port?: number;
  readonly password?: string;
  readonly stopTimeoutMs?: number;
}

/**
 * It keeps nothing of what passes through it: buffers outside of the heap, which die young. Its young generation is
 * collected often, and marking of the whole heap, which node would begin at every 30 MB of them, is left to a full
 * heap.
 */
const ENGINE_NODE_FLAGS: readonly string[] = ['--max-semi-space-size=1', '--no-incremental-marking'];

const USERNAME = 'tallyline';
const DATABASE = 'tallyline';

/**
 * Starts the endpoint on `dataDir`; resolves once it serves. The database itself is yet to be created (see `migrate`).
 */
export async function startEmbeddedClickHouse(
  options: EmbeddedClickHouseOptions,
  logger: Logger,
): Promise<EmbeddedClickHouse> {
  const password = options.password ?? randomBytes(24).toString('base64url');
  const [file, ...prefix] = options.command;
  const args = [
    ...ENGINE_NODE_FLAGS,
    ...prefix,
    'clickhouse',
    '--data-dir',
    options.dataDir,
    '--port',
    String(options.port ?? 0),
  ];
  const child = spawn(file, args, {
    // Its end of the IPC channel tells it when this process is gone. Statements run on libuv's threads, 4 by default.
    env: {
      ...process.env,
      TZ: 'UTC',
      UV_THREADPOOL_SIZE: '12',
      CLICKHOUSE_USER: USERNAME,
      CLICKHOUSE_PASSWORD: password,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`status ${code ?? signal}`));
  });
  const recentLines: string[] = [];
  createInterface({ input: child.stderr! }).on('line', (line) => {
    if (recentLines.push(line) > 20) recentLines.shift();
    logger.debug({ clickhouse: line }, 'embedded ClickHouse');
  });
  const ended = (how: string): Error =>
    new Error(`embedded ClickHouse ended (${how}); its last lines:\n${recentLines.join('\n')}`);
  const url = await Promise.race([
    new Promise<string>((resolve) => {
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const address = /^ready (http:\/\/\S+)$/.exec(line)?.[1];
        if (address !== undefined) resolve(address);
      });
    }),
    // Once its lines are read: they say why.
    new Promise<never>((_, reject) => child.once('close', (code, signal) => reject(ended(`status ${code ?? signal}`)))),
    new Promise<never>((_, reject) => child.once('error', reject)),
  ]);
  logger.info({ url, serverPid: child.pid, dataDir: options.dataDir }, 'embedded ClickHouse is ready');

  let stopping: Promise<void> | null = null;
  const failed = exited.then((how) => {
    if (stopping !== null) return new Promise<never>(() => {});
    throw ended(how);
  });
  failed.catch(() => {});
  const stop = async (): Promise<void> => {
    if (child.connected) child.disconnect();
    const timer = setTimeout(() => child.kill('SIGKILL'), options.stopTimeoutMs ?? 30_000);
    await exited;
    clearTimeout(timer);
  };
  return {
    url,
    username: USERNAME,
    password,
    database: DATABASE,
    pid: child.pid!,
    failed,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}
