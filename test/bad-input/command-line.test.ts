// Each command as a process: it ends by itself with a status that is not 0, says what is wrong with what, and never a
// password.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { compiledCommand } from '../support/processes/clickhouse.ts';
import { commandCases, files } from './command-line.cases.ts';

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const PARALLEL = 4;
const directory = await mkdtemp(join(tmpdir(), 'tallyline-command-line-'));
const ended = new Map<string, Promise<Ended>>();

beforeAll(async () => {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), content);
  }
  // A process costs half a second, nearly all of it waiting.
  const waiting = Object.values(commandCases).flat();
  const runAll = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const running = run(next[0], next[1]);
      ended.set(keyOf(next[0], next[1]), running);
      await running;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, runAll));
}, 300_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

const keyOf = (args: string, environment: object): string => JSON.stringify([args, environment]);
const inDirectory = (text: string): string => text.replaceAll('DIR', directory);

function run(args: string, environment: Readonly<Record<string, string>>): Promise<Ended> {
  const [file, main] = compiledCommand();
  const given = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, inDirectory(value)]));
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(TALLYLINE_|KAFKA_|DATABASE_|CLICKHOUSE_|PORT$|HOST$|LOG_)/.test(name),
    ),
  );
  const child = spawn(file, [main, ...args.split(' ').map(inDirectory)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: directory,
    env: { ...inherited, ...given },
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, stdout, stderr })));
}

describe.each(Object.entries(commandCases))('%s', (_, cases) => {
  it.each(cases)('tallyline %s %j', async (args, environment, says) => {
    const { status, stdout, stderr } = await ended.get(keyOf(args, environment))!;
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(new RegExp(says.source.replaceAll('DIR', directory))),
    });
    expect(stdout).toBe('');
    expect(stderr).not.toContain('secret-password');
    // A stack trace is for whoever wrote the code, not for whoever typed the command.
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect(stderr.length).toBeLessThan(4_000);
  });
});
