// `tallyline up` as a child process on a data directory, with chunks small enough that windows close within seconds.
// Whatever ends the demonstration, the child stops in order: it drains when it is told to, and when this process is
// gone.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { STOP_MESSAGE } from '../platform/process/lifecycle.ts';
import { projectFile } from '../platform/process/project-root.ts';

export interface InstallationSettings {
  readonly dataDir: string;
  readonly port: number;
  readonly catalogFile: string;
  readonly allowedLateness: string;
}

interface StagesFile {
  readonly aggregator?: { readonly pid: number };
  readonly postgres?: { readonly url: string };
}

/** Addresses of other stores would make this a demonstration on somebody's data. */
const FOREIGN = /^(KAFKA_|CLICKHOUSE_|DATABASE_URL|PORT$|HOST$)/;
const READY_WITHIN_MS = 120_000;
const STOP_WITHIN_MS = 60_000;
const POLL_MS = 50;

function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !FOREIGN.test(name));
  return {
    ...Object.fromEntries(kept),
    LOG_LEVEL: process.env.LOG_LEVEL ?? 'info',
    TALLYLINE_CHUNK_SLOT: '2s',
    TALLYLINE_CHUNK_OFFSETS: '64',
    TALLYLINE_RATER_INTERVAL: '2s',
  };
}

export class Installation {
  readonly url: string;
  readonly apiKey: string;
  readonly apiKeyFile: string;
  readonly logFile: string;
  /** Resolves with how the child ended. */
  readonly ended: Promise<string>;
  private readonly dataDir: string;
  private readonly child: ChildProcess;

  private constructor(
    url: string,
    settings: InstallationSettings,
    child: ChildProcess,
    logFile: string,
    ended: Promise<string>,
  ) {
    this.url = url;
    this.dataDir = settings.dataDir;
    this.child = child;
    this.logFile = logFile;
    this.ended = ended;
    this.apiKeyFile = join(settings.dataDir, 'api-key');
    this.apiKey = readFileSync(this.apiKeyFile, 'utf8').trim();
  }

  /** Rejects with the end of the log when the child is not ready in time or ends before. */
  static async start(settings: InstallationSettings): Promise<Installation> {
    const { dataDir, port, catalogFile, allowedLateness } = settings;
    const logFile = join(dataDir, 'demo.log');
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const log = openSync(logFile, 'a', 0o600);
    const child = spawn(
      process.execPath,
      [
        projectFile('dist/cli/main.js'),
        'up',
        ...['--port', String(port), '--data-dir', dataDir],
        ...['--catalog', catalogFile, '--allowed-lateness', allowedLateness],
      ],
      { stdio: ['ignore', 'pipe', log, 'ipc'], env: environment() },
    );
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`could not be started: ${error.message}`));
      child.once('exit', (code, signal) => resolve(signal === null ? `exited ${code}` : `was ended by ${signal}`));
    });
    closeSync(log);
    const ready = new Promise<string>((resolve) => {
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const match = /^ready (http:\/\/\S+)$/.exec(line);
        if (match !== null) resolve(match[1]!);
      });
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`was not ready within ${READY_WITHIN_MS / 1000} s`), READY_WITHIN_MS);
    });
    const failure = Promise.race([ended, late]).then((reason) => {
      throw new Error(`tallyline up ${reason}; the end of ${logFile}:\n${logTail(logFile)}`);
    });
    try {
      const url = await Promise.race([ready, failure]);
      return new Installation(url, settings, child, logFile, ended);
    } catch (error) {
      child.kill('SIGTERM');
      await ended;
      throw error;
    } finally {
      clearTimeout(timer);
      failure.catch(() => {});
    }
  }

  get postgresUrl(): string {
    const url = this.stages().postgres?.url;
    if (url === undefined) throw new Error(`${join(this.dataDir, 'stages.json')} names no postgres.url`);
    return url;
  }

  get aggregatorPid(): number {
    const pid = this.stages().aggregator?.pid;
    if (pid === undefined) throw new Error(`${join(this.dataDir, 'stages.json')} names no aggregator.pid`);
    return pid;
  }

  /** SIGKILL: nothing is flushed, nobody is told. `successor` is the pid of the process that takes over. */
  killAggregator(): { killed: number; successor: Promise<number> } {
    const killed = this.aggregatorPid;
    process.kill(killed, 'SIGKILL');
    const successor = until('a new aggregator process', READY_WITHIN_MS, POLL_MS, () => {
      const pid = this.aggregatorPid;
      return Promise.resolve(pid === killed ? null : pid);
    });
    return { killed, successor };
  }

  /** `tallyline catalog apply`, as somebody beside it would. */
  async applyCatalog(file: string): Promise<void> {
    const program = projectFile('dist/cli/main.js');
    const args = [program, 'catalog', 'apply', file, '--data-dir', this.dataDir];
    await promisify(execFile)(process.execPath, args, { env: environment() });
  }

  logTail(): string {
    return logTail(this.logFile);
  }

  /**
   * An orderly stop; anything but exit code 0 is an error. By message: on a Ctrl-C the child has had its signal
   * already, and a second one would end it at once.
   */
  async stop(): Promise<void> {
    if (this.child.connected) this.child.send(STOP_MESSAGE);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => {
        this.child.kill('SIGKILL');
        resolve(`did not stop within ${STOP_WITHIN_MS / 1000} s`);
      }, STOP_WITHIN_MS);
    });
    const how = await Promise.race([this.ended, late]);
    clearTimeout(timer);
    if (how !== 'exited 0')
      throw new Error(`tallyline up ${how} when told to stop; the end of its log:\n${this.logTail()}`);
  }

  private stages(): StagesFile {
    return JSON.parse(readFileSync(join(this.dataDir, 'stages.json'), 'utf8')) as StagesFile;
  }
}

function logTail(logFile: string): string {
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-20).join('\n');
}

/** Polls until `check` gives something other than null; rejects when that takes too long, with what was waited for. */
export async function until<T>(
  what: string,
  withinMs: number,
  everyMs: number,
  check: () => Promise<T | null>,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const result = await check();
    if (result !== null) return result;
    if (performance.now() > deadline) throw new Error(`waited ${withinMs / 1000} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
