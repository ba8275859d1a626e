// A Kafka cluster of its own for a test file: a container where a Docker engine answers (one broker), else the brokers
// of deploy/kafka/start.mjs in a temporary directory. Both are real brokers.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectFile } from '../../../platform/process/project-root.ts';
import { dockerAnswers } from './docker.ts';

export interface TestKafka {
  /** host:port of each broker. */
  readonly brokers: string[];
  /** Of the process that runs the brokers as its children, and where they keep their data; null in a container. */
  readonly pid: number | null;
  readonly directory: string | null;
  stop(): Promise<void>;
  /** Kills one broker with SIGKILL. Only without Docker. */
  kill(index: number): Promise<void>;
}

/** Null when brokers can be started; otherwise the reason they cannot, in one line, for the test that skips. */
export async function kafkaUnavailable({
  brokers = 1,
  withDocker = true,
}: TestKafkaOptions = {}): Promise<string | null> {
  const missing = ['java', 'mvn'].filter(
    (command) => spawnSync(command, ['-version'], { stdio: 'ignore' }).status !== 0,
  );
  const mayUseDocker = brokers === 1 && withDocker;
  if (missing.length === 0 || (mayUseDocker && (await dockerAnswers()))) return null;
  const docker = mayUseDocker ? 'a Docker engine or ' : '';
  return `no Kafka broker can be started: this needs ${docker}${missing.join(' and ')}`;
}

export interface TestKafkaOptions {
  readonly brokers?: 1 | 3;
  /** False: never a container, where the CPU time of the broker can't be seen from outside. */
  readonly withDocker?: boolean;
}

/** Three brokers always run without Docker, because the container module starts one only. */
export async function startKafka({ brokers = 1, withDocker = true }: TestKafkaOptions = {}): Promise<TestKafka> {
  if (brokers === 1 && withDocker && (await dockerAnswers())) return startContainer();
  const directory = await mkdtemp(join(tmpdir(), 'tallyline-kafka-'));
  const child = spawn(
    process.execPath,
    [
      projectFile('deploy/kafka/start.mjs'),
      '--brokers',
      String(brokers),
      '--data-dir',
      directory,
      '--port',
      '0',
      '--stop-with-stdin',
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    return {
      brokers: await readyAddresses(child),
      pid: child.pid ?? null,
      directory,
      stop,
      kill: async (index) => {
        const pid = Number(await readFile(join(directory, `broker-${index}`, 'pid'), 'utf8'));
        process.kill(pid, 'SIGKILL');
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startContainer(): Promise<TestKafka> {
  const { KafkaContainer } = await import('@testcontainers/kafka');
  const container = await new KafkaContainer('confluentinc/cp-kafka:8.0.0').withKraft().start();
  return {
    brokers: [`${container.getHost()}:${container.getMappedPort(9093)}`],
    pid: null,
    directory: null,
    stop: async () => void (await container.stop()),
    kill: () => Promise.reject(new Error('a broker in a container cannot be killed; ask for three brokers')),
  };
}

async function readyAddresses(child: ChildProcess): Promise<string[]> {
  let errors = '';
  child.stderr!.on('data', (chunk) => {
    errors += chunk;
  });
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.startsWith('ready ')) return line.slice('ready '.length).split(',');
  }
  throw new Error(`deploy/kafka/start.mjs ended before it was ready: ${errors}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
