// How each program of a deployment is started so that a later start finds the same port and the same data.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pino from 'pino';
import { startEmbeddedPostgres } from '../../platform/postgres/embedded/embedded.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import type { Launched } from './managed-process.ts';

export interface NodeProgram {
  readonly command: readonly [string, ...string[]];
  readonly environment: NodeJS.ProcessEnv;
  /** Its stderr is added to this file. */
  readonly logFile: string;
}

const endOf = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `status ${code}`));
  });

/** The address a program prints as `ready ADDRESS`. */
async function readyAddress(child: ChildProcess, ended: Promise<string>): Promise<string> {
  const lines = createInterface({ input: child.stdout! });
  for await (const line of lines) {
    const address = /^ready (\S+)$/.exec(line)?.[1];
    if (address === undefined) continue;
    child.stdout!.resume();
    return address;
  }
  throw new Error(`ended before it was ready: ${await ended}`);
}

export function launchNode({ command: [file, ...args], environment, logFile }: NodeProgram): Launched {
  const log = openSync(logFile, 'a');
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', log], env: { ...process.env, ...environment } });
  closeSync(log);
  const ended = endOf(child);
  return {
    target: () => child.pid ?? null,
    ready: readyAddress(child, ended),
    ended,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

export interface BrokerPlace {
  readonly index: number;
  readonly brokers: 1 | 3;
  readonly directory: string;
  readonly basePort: number;
  readonly logFile: string;
}

/** The launcher goes when its broker goes; signals are for the broker itself. */
export function launchBroker({ index, brokers, directory, basePort, logFile }: BrokerPlace): Launched {
  const log = openSync(logFile, 'a');
  const args = [
    '--brokers',
    String(brokers),
    '--only',
    String(index),
    '--data-dir',
    directory,
    '--port',
    `${basePort}`,
  ];
  const child = spawn(process.execPath, [projectFile('deploy/kafka/start.mjs'), ...args, '--stop-with-stdin'], {
    stdio: ['pipe', 'pipe', log],
  });
  closeSync(log);
  const ended = endOf(child);
  const ready = readyAddress(child, ended);
  let serving = false;
  ready.then(
    () => {
      serving = true;
    },
    () => undefined,
  );
  return {
    // The file may be an earlier run's until this one serves.
    target: () => (serving ? Number(readFileSync(join(directory, `broker-${index}`, 'pid'), 'utf8')) : null),
    ready,
    ended,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Signals go to the process group: the postmaster and every backend. */
export function launchPostgres(directory: string, port: number | undefined): Launched {
  const starting = startEmbeddedPostgres(directory, pino({ level: 'silent' }), port === undefined ? {} : { port });
  let pid: number | null = null;
  const ready = starting.then((server) => {
    pid = server.pid;
    return server.url;
  });
  return {
    target: () => (pid === null ? null : -pid),
    ready,
    ended: starting.then(
      (server) => server.failed.catch((error: Error) => error.message.split('\n')[0]!),
      (error: Error) => error.message.split('\n')[0]!,
    ),
    stop: async () => {
      await (await starting).stop();
    },
  };
}

/** A base such that it, the two ports after it and the three of the controllers are free now. */
export async function freeBasePort(): Promise<number> {
  const isFree = (port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(false);
      });
      socket.once('error', () => resolve(true));
    });
  for (;;) {
    // Below the range that the system hands out to clients.
    const base = 20_000 + 200 * Math.floor(Math.random() * 60) + Math.floor(Math.random() * 90);
    const ports = [0, 1, 2].flatMap((index) => [base + index, base + 100 + index]);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
}
