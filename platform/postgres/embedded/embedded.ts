// A real Postgres server below a data directory, for a machine that has none: loopback only, a random password kept
// with mode 600, durable on commit. At most one server runs on a directory: one that an earlier process left behind is
// stopped first, and a watchdog stops this one should its parent be killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import type { Logger } from 'pino';
import { isRunning, waitUntilGone } from '../../process/process-probe.ts';
import { findPostgresBinaries, type PostgresBinaries } from './embedded-binaries.ts';
import { type ServerUser, serverUserFor } from './server-user.ts';

export interface EmbeddedPostgres {
  /** postgresql:// address of the database `tallyline`, password included. */
  readonly url: string;
  readonly pid: number;
  /** Rejects when the server ends without `stop`. Never resolves. */
  readonly failed: Promise<never>;
  /** A fast shutdown: open transactions are rolled back, everything committed is on disk. */
  stop(): Promise<void>;
}

const USER = 'tallyline';
const DATABASE = 'tallyline';
const STOP_TIMEOUT_MS = 30_000;
const START_TIMEOUT_MS = 120_000;

const missingAsNull = (error: NodeJS.ErrnoException): null => {
  if (error.code === 'ENOENT') return null;
  throw error;
};

export interface EmbeddedPostgresOptions {
  /** Kept over a restart, so that clients find it again. Default: any free port. */
  readonly port?: number;
}

/** Starts the server of `dataDir`, creating it if it is new. Rejects with what to do when it can't. */
export async function startEmbeddedPostgres(
  dataDir: string,
  logger: Logger,
  options: EmbeddedPostgresOptions = {},
): Promise<EmbeddedPostgres> {
  const directory = resolve(dataDir);
  const binaries = await findPostgresBinaries();
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const user = serverUserFor(directory, binaries.postgres);
  const cluster = join(directory, 'cluster');

  const version = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch(missingAsNull);
  if (version === null) await createCluster(directory, cluster, binaries, user);
  else await refuseOtherVersion(cluster, version.trim(), binaries);
  const password = (await readFile(join(directory, 'password'), 'utf8')).trim();

  await stopLeftOver(cluster, logger);
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    try {
      const server = await startServer(cluster, port, binaries, user, logger);
      const url = `postgresql://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`;
      try {
        await createDatabase(url);
      } catch (error) {
        await server.stop();
        throw error;
      }
      logger.info({ port, serverPid: server.pid, dataDir: directory }, 'embedded Postgres is ready');
      return { url, ...server };
    } catch (error) {
      // Another process took the port in between, or the kernel has yet to release a killed server's memory.
      const passing = /Address already in use|could not create any TCP\/IP sockets|shared memory block/.test(
        String(error),
      );
      if (!passing || attempt === 20) throw error;
      await new Promise((resume) => setTimeout(resume, 250));
    }
  }
}

async function createCluster(
  directory: string,
  cluster: string,
  binaries: PostgresBinaries,
  user: ServerUser,
): Promise<void> {
  // Made under another name and renamed, so that a half-made cluster is never taken for a whole one.
  const unfinished = `${cluster}.unfinished`;
  const passwordFile = join(directory, 'password');
  await rm(unfinished, { recursive: true, force: true });
  await writeFile(passwordFile, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
  await chmod(passwordFile, 0o600);
  if (user.ids !== null) {
    await chown(directory, user.ids.uid, user.ids.gid);
    await chown(passwordFile, user.ids.uid, user.ids.gid);
  }
  const { file, args, ...ids } = user.command(binaries.initdb, [
    `--pgdata=${unfinished}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
  ]);
  const initdb = spawn(file, args, { ...ids, stdio: ['ignore', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  initdb.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  initdb.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  const status = await new Promise((settle, reject) => initdb.once('error', reject).once('close', settle));
  if (status !== 0) throw new Error(`initdb could not create ${cluster} (status ${status}):\n${Buffer.concat(output)}`);
  await rename(unfinished, cluster);
}

async function refuseOtherVersion(cluster: string, version: string, binaries: PostgresBinaries): Promise<void> {
  const child = spawn(binaries.postgres, ['--version'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await new Promise((settle, reject) => child.once('error', reject).once('close', settle));
  const major = /(\d+)/.exec(output)?.[1];
  if (major === undefined || major === version) return;
  throw new Error(
    `${cluster} was made by Postgres ${version}, and this installation brings Postgres ${major}: ` +
      `move the data with pg_dump from a Postgres ${version}, choose another data directory, or set DATABASE_URL`,
  );
}

/** Stops a server that a killed process left on this cluster, so that ours is the only one. */
async function stopLeftOver(cluster: string, logger: Logger): Promise<void> {
  const pidFile = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(missingAsNull);
  if (pidFile === null) return;
  const pid = Number(pidFile.split('\n')[0]);
  // A pid that is not (or no longer) this cluster's server: Postgres itself clears such a file away.
  if (!Number.isSafeInteger(pid) || !isRunning(pid, cluster)) return;
  logger.warn({ serverPid: pid }, 'stopping the Postgres server that an earlier run left behind');
  await endProcess(pid, cluster);
}

async function endProcess(pid: number, cluster: string): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    if (await waitUntilGone(pid, cluster, STOP_TIMEOUT_MS)) return;
  }
  throw new Error(`the Postgres server ${pid} on ${cluster} does not end: end it by hand`);
}

function freePort(): Promise<number> {
  return new Promise((settle, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        address !== null && typeof address === 'object' ? settle(address.port) : reject(new Error('no free port')),
      );
    });
  });
}

async function startServer(
  cluster: string,
  port: number,
  binaries: PostgresBinaries,
  user: ServerUser,
  logger: Logger,
): Promise<Omit<EmbeddedPostgres, 'url'>> {
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 100,
    synchronous_commit: 'on',
    shared_buffers: '128MB',
    max_wal_size: '2GB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    jit: 'off',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const { file, args, ...ids } = user.command(binaries.postgres, ['-D', cluster, ...flags]);
  // A process group of its own: a Ctrl-C in the terminal must not reach it before the stages are drained.
  const child = spawn(file, args, { ...ids, detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = new Promise<string>((settle) => {
    child.once('error', (error) => settle(error.message));
    child.once('exit', (code, signal) => settle(`status ${code ?? signal}`));
  });
  const recentLines: string[] = [];
  await new Promise<void>((ready, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGQUIT');
      reject(
        new Error(`embedded Postgres is not ready after ${START_TIMEOUT_MS / 1000} s:\n${recentLines.join('\n')}`),
      );
    }, START_TIMEOUT_MS);
    createInterface({ input: child.stderr! }).on('line', (line) => {
      if (recentLines.push(line) > 20) recentLines.shift();
      if (/ (FATAL|PANIC): /.test(line)) logger.warn({ postgres: line }, 'Postgres');
      else logger.debug({ postgres: line }, 'Postgres');
      if (line.includes('database system is ready to accept connections')) {
        clearTimeout(timer);
        ready();
      }
    });
    // Once the lines are read as well: they say why.
    child.once('close', (code) => {
      clearTimeout(timer);
      reject(new Error(`embedded Postgres ended while starting (status ${code}):\n${recentLines.join('\n')}`));
    });
    child.once('error', reject);
  });

  const watchdog = startWatchdog(child.pid!);
  let stopping: Promise<void> | null = null;
  const failed = exited.then((how) => {
    watchdog?.kill('SIGKILL');
    if (stopping !== null) return new Promise<never>(() => {});
    throw new Error(`embedded Postgres ended (${how}); its last lines:\n${recentLines.join('\n')}`);
  });
  failed.catch(() => {});
  const stop = async (): Promise<void> => {
    watchdog?.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await endProcess(child.pid!, cluster);
    await exited;
  };
  return {
    pid: child.pid!,
    failed,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** A shell that waits for the end of a pipe only this process holds, and then has the server shut down. */
function startWatchdog(pid: number): ChildProcess | null {
  if (process.platform === 'win32') return null;
  const watchdog = spawn('/bin/sh', ['-c', 'read _; kill -INT "$1"', 'sh', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.on('error', () => {});
  watchdog.stdin?.on('error', () => {});
  watchdog.unref();
  return watchdog;
}

async function createDatabase(url: string): Promise<void> {
  const maintenance = new URL(url);
  maintenance.pathname = '/postgres';
  const client = new pg.Client({ connectionString: maintenance.href });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${pg.escapeIdentifier(DATABASE)}`);
  } finally {
    await client.end();
  }
}
