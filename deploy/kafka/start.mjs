#!/usr/bin/env node
// Runs Apache Kafka (KRaft, one or three combined broker-controllers) on this machine from the jars that pom.xml
// fetches: for a laptop and for tests where there is a JDK and Maven but no Docker. Not for production.
//
//   node deploy/kafka/start.mjs --brokers 1|3 --data-dir DIR --port BASE [--only INDEX]
//
// Broker i listens on BASE + i, its controller on BASE + 100 + i, on loopback only. `--port 0` takes free ports. With
// `--only` this process runs that one broker: a process each makes a cluster whose brokers end and start one by one.
// Prints `ready HOST:PORT[,HOST:PORT…]` once every broker answers; each broker's log is DIR/broker-<i>/server.log.
// SIGTERM or SIGINT stops all of them; so does the end of stdin with `--stop-with-stdin`, for a parent that may be
// killed. The data directory can be started again, with the same or with other ports.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const host = '127.0.0.1';
const startTimeoutMs = 90_000;
const stopTimeoutMs = 20_000;

/** @param {string} reason @returns {never} */
function refuse(reason) {
  console.error(`deploy/kafka/start.mjs: ${reason}`);
  process.exit(2);
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      brokers: { type: 'string', default: '1' },
      'data-dir': { type: 'string' },
      port: { type: 'string', default: '9092' },
      only: { type: 'string' },
      'stop-with-stdin': { type: 'boolean', default: false },
    },
  });
  if (values.brokers !== '1' && values.brokers !== '3') refuse(`--brokers must be 1 or 3, not ${values.brokers}`);
  if (values['data-dir'] === undefined) refuse('--data-dir DIR is required');
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_000) refuse(`--port must be 0 or a port, not ${values.port}`);
  const brokers = Number(values.brokers);
  const only = values.only === undefined ? null : Number(values.only);
  if (only !== null && !(Number.isInteger(only) && only >= 0 && only < brokers))
    refuse(`--only must be a broker's index below ${brokers}, not ${values.only}`);
  if (only !== null && port === 0) refuse('--only needs a --port: the other brokers have to know it');
  return {
    brokers,
    only,
    dataDir: resolve(values['data-dir']),
    port,
    stopWithStdin: values['stop-with-stdin'],
  };
}

/**
 * Runs a program to its end.
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<void>}
 */
function run(command, args) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', (error) => fail(new Error(`${command} could not be started: ${error.message}`)));
    child.on('exit', (code) => {
      if (code === 0) done();
      else fail(new Error(`${command} exited with ${code}:\n${output}`));
    });
  });
}

/**
 * The class path; the jars are fetched when missing, into a directory of our own and then renamed, so that a half-done
 * or a concurrent fetch is never used.
 */
async function classPath() {
  const libs = join(here, 'target', 'libs');
  if (!existsSync(libs)) {
    const partial = join(here, 'target', `libs-${process.pid}`);
    console.error('fetching Apache Kafka through Maven (once, about 45 MB)');
    await run('mvn', [
      '-q',
      '-B',
      '-f',
      join(here, 'pom.xml'),
      'dependency:copy-dependencies',
      `-DoutputDirectory=${partial}`,
    ]);
    try {
      renameSync(partial, libs);
    } catch (error) {
      rmSync(partial, { recursive: true, force: true });
      if (!existsSync(libs)) throw error;
    }
  }
  if (!readdirSync(libs).some((name) => name.startsWith('kafka_')))
    refuse(`${libs} holds no kafka jar; delete it and start again`);
  return join(libs, '*');
}

/** @param {number} count @returns {Promise<number[]>} */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((done, fail) => {
          const server = createServer();
          server.on('error', fail);
          server.listen(0, host, () => done(server));
        }),
    ),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

/**
 * The ids of the cluster, made once and kept with the data: KRaft refuses a directory formatted under another id.
 * @param {string} dataDir
 */
function clusterId(dataDir) {
  const file = join(dataDir, 'cluster-id');
  if (!existsSync(file)) {
    mkdirSync(dataDir, { recursive: true });
    // A leading dash would be read as an option by the storage tool.
    let id = '';
    do id = randomBytes(16).toString('base64url');
    while (id.startsWith('-'));
    // Linked into place: of processes that start together one is first, and the others take its id.
    const own = `${file}-${process.pid}`;
    writeFileSync(own, `${id}\n`);
    try {
      linkSync(own, file);
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    rmSync(own);
  }
  return readFileSync(file, 'utf8').trim();
}

/**
 * @param {{ index: number, brokers: number, dir: string, ports: number[], controllerPorts: number[] }} broker
 */
function writeProperties({ index, brokers, dir, ports, controllerPorts }) {
  const replicas = brokers;
  const voters = controllerPorts.map((port, i) => `${i}@${host}:${port}`).join(',');
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': index,
    'controller.quorum.voters': voters,
    listeners: `PLAINTEXT://${host}:${ports[index]},CONTROLLER://${host}:${controllerPorts[index]}`,
    'advertised.listeners': `PLAINTEXT://${host}:${ports[index]}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(dir, 'data'),
    // Topics are made by whoever needs them, with the settings they need; a misspelt name must fail.
    'auto.create.topics.enable': false,
    'offsets.topic.num.partitions': 4,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': 2,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': Math.max(1, replicas - 1),
    'min.insync.replicas': Math.max(1, replicas - 1),
    'unclean.leader.election.enable': false,
    // A group of one member need not wait for others: the default of 3 s would be paid by every test.
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 2000,
    // A killed broker is noticed, and another made leader, within seconds.
    'broker.session.timeout.ms': 6000,
    'broker.heartbeat.interval.ms': 1000,
    'num.network.threads': 2,
    'num.io.threads': 2,
    'num.replica.fetchers': 1,
    'log.cleaner.dedupe.buffer.size': 8_388_608,
    'log.index.size.max.bytes': 1_048_576,
  };
  const file = join(dir, 'server.properties');
  writeFileSync(
    file,
    Object.entries(properties)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  return file;
}

/**
 * A broker answers when it accepts a connection and replies to an ApiVersions request (key 18, version 0).
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function answers(port) {
  return new Promise((done) => {
    const socket = connect(port, host);
    socket.setTimeout(2000, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => done(false));
    socket.on('connect', () => socket.write(Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])));
    socket.on('data', () => {
      done(true);
      socket.destroy();
    });
  });
}

async function main() {
  const { brokers, only, dataDir, port, stopWithStdin } = readArguments();
  const libs = await classPath();
  const id = clusterId(dataDir);
  const free = port === 0 ? await freePorts(2 * brokers) : [];
  const indexes = Array.from({ length: brokers }, (_, index) => index);
  const ports = indexes.map((index) => (port === 0 ? free[index] : port + index));
  const controllerPorts = indexes.map((index) => (port === 0 ? free[brokers + index] : port + 100 + index));

  /** @type {import('node:child_process').ChildProcess[]} */
  const children = [];
  let stopping = false;

  /** @param {number} code */
  const stop = async (code) => {
    if (stopping) return;
    stopping = true;
    const exits = children.map((child) =>
      child.exitCode !== null || child.signalCode !== null
        ? Promise.resolve()
        : new Promise((done) => {
            const force = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
            child.once('exit', () => {
              clearTimeout(force);
              done(undefined);
            });
            child.kill('SIGTERM');
          }),
    );
    await Promise.all(exits);
    process.exit(code);
  };
  process.on('SIGTERM', () => void stop(0));
  process.on('SIGINT', () => void stop(0));
  if (stopWithStdin) process.stdin.on('end', () => void stop(0)).resume();

  const start = async (/** @type {number} */ index) => {
    const dir = join(dataDir, `broker-${index}`);
    mkdirSync(dir, { recursive: true });
    const properties = writeProperties({ index, brokers, dir, ports, controllerPorts });
    if (!existsSync(join(dir, 'data', 'meta.properties'))) {
      await run('java', ['-Xmx128m', '-cp', libs, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', properties]);
    }
    if (stopping) return;
    const log = openSync(join(dir, 'server.log'), 'a');
    const jvm = [
      '-Xms128m',
      '-Xmx512m',
      '-XX:+UseG1GC',
      '-XX:TieredStopAtLevel=1',
      '-Xshare:auto',
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=info',
      '-Dorg.slf4j.simpleLogger.showDateTime=true',
      '-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS',
    ];
    const child = spawn('java', [...jvm, '-cp', libs, 'kafka.Kafka', properties], { stdio: ['ignore', log, log] });
    children.push(child);
    // Which process is which broker, for tests that kill one.
    writeFileSync(join(dir, 'pid'), `${child.pid}\n`);
    child.on('exit', (code, signal) => {
      if (stopping) return;
      console.error(`broker ${index} ended (${signal ?? code}); its log: ${join(dir, 'server.log')}`);
      // With three, the others carry on: that is what they are for. Without a broker left there is nothing to serve.
      if (children.every((other) => other.exitCode !== null || other.signalCode !== null)) void stop(1);
    });
  };
  const own = indexes.filter((index) => only === null || index === only);
  await Promise.all(own.map(start));

  const deadline = Date.now() + startTimeoutMs;
  const pending = new Set(own.map((index) => ports[index]));
  while (pending.size > 0 && !stopping) {
    for (const each of pending) if (await answers(each)) pending.delete(each);
    if (pending.size > 0 && Date.now() > deadline) {
      console.error(
        `no answer on port ${[...pending].join(', ')} after ${startTimeoutMs / 1000} s; see ${dataDir}/broker-*/server.log`,
      );
      await stop(1);
    }
    if (pending.size > 0) await new Promise((done) => setTimeout(done, 100));
  }
  if (!stopping)
    console.log(
      `ready ${own
        .map((index) => ports[index])
        .map((each) => `${host}:${each}`)
        .join(',')}`,
    );
}

main().catch((error) => {
  console.error(`deploy/kafka/start.mjs: ${error.message}`);
  process.exit(1);
});
