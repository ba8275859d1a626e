// `tallyline up` as a child process, as a person would start it.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { compiledCommand } from './clickhouse.ts';

export interface RunningUp {
  /** http://127.0.0.1:PORT */
  readonly url: string;
  readonly apiKey: string;
  readonly dataDir: string;
  readonly child: ChildProcess;
  /** Everything it wrote to stderr so far. */
  log(): string;
  /** stages.json as it is now. */
  stages(): Record<string, { pid: number; url: string }>;
  /** SIGTERM; resolves to the exit status. */
  stop(): Promise<number | null>;
}

export interface Ended {
  readonly status: number | null;
  readonly stderr: string;
  readonly stdout: string;
}

function start(args: readonly string[], environment: NodeJS.ProcessEnv) {
  const [file, main] = compiledCommand();
  const child = spawn(file, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  const output = { stdout: '', stderr: '' };
  child.stderr.on('data', (chunk: Buffer) => {
    output.stderr += chunk.toString();
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    output.stdout += `${line}\n`;
    child.emit('line', line);
  });
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, output, closed };
}

/** Runs a command of tallyline to its end. */
export async function tallyline(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const { output, closed } = start(args, environment);
  const status = await closed;
  return { status, ...output };
}

/** Resolves once it printed that it is ready; rejects with its log when it ends before. */
export async function startUp(
  dataDir: string,
  args: readonly string[] = [],
  environment: NodeJS.ProcessEnv = {},
): Promise<RunningUp> {
  const { child, output, closed } = start(['up', '--port', '0', '--data-dir', dataDir, ...args], environment);
  const url = await Promise.race([
    new Promise<string>((resolve) => {
      child.on('line', (line: string) => {
        const address = /^ready (http:\/\/\S+)$/.exec(line)?.[1];
        if (address !== undefined) resolve(address);
      });
    }),
    closed.then((status) => {
      throw new Error(`tallyline up ended with ${status}:\n${output.stderr}`);
    }),
  ]);
  return {
    url,
    apiKey: readFileSync(join(dataDir, 'api-key'), 'utf8').trim(),
    dataDir,
    child,
    log: () => output.stderr,
    stages: () => JSON.parse(readFileSync(join(dataDir, 'stages.json'), 'utf8')),
    stop: () => {
      child.kill('SIGTERM');
      return closed;
    },
  };
}
