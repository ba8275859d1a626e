// Reads the settings from the environment, once, all together: either every one of them is good, or one error names
// every fault. Nothing else in Tallyline reads configuration from the environment.
import { readFileSync } from 'node:fs';
import { type Variable, type VariableName, type VariableValues, variables } from './setting-variables.ts';
import type { KafkaSettings, Settings } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Every fault of the configuration, one a line, each naming its variable and what it accepts. */
export class SettingsError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(
      `the configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  ${fault}`).join('\n')}`,
    );
    this.name = 'SettingsError';
    this.faults = faults;
  }
}

const CLICKHOUSE_DATABASE = 'tallyline';

/**
 * The settings of `environment`, in which `overrides` (command-line options, by the name of the variable they stand
 * for) come first. An empty value counts as unset. Throws a SettingsError.
 */
export function parseSettings(environment: Environment, overrides: Environment = {}): Settings {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(variables) as VariableName[]) {
    values[name] = readVariable(name, variables[name], overrides[name] ? overrides : environment, faults);
  }
  faults.push(...unknownVariables(environment));
  const known = values as VariableValues;
  const kafka = kafkaSettings(known, faults);
  if (kafka !== null && known.TALLYLINE_MIN_INSYNC_REPLICAS > known.TALLYLINE_REPLICATION) {
    faults.push(
      `TALLYLINE_MIN_INSYNC_REPLICAS is ${known.TALLYLINE_MIN_INSYNC_REPLICAS}: expected at most TALLYLINE_REPLICATION (${known.TALLYLINE_REPLICATION})`,
    );
  }
  if (faults.length > 0) throw new SettingsError(faults);
  return assemble(known, kafka);
}

function readVariable(name: string, variable: Variable<unknown>, environment: Environment, faults: string[]): unknown {
  const expected = `expected ${variable.format.accepts}`;
  let given = environment[name] || null;
  const file = variable.secret ? environment[`${name}_FILE`] || null : null;
  if (given !== null && file !== null) {
    faults.push(`${name} and ${name}_FILE are both set: expected one of them`);
    return null;
  }
  if (file !== null) {
    try {
      given = readFileSync(file, 'utf8').trim() || null;
    } catch (error) {
      faults.push(`${name}_FILE: ${(error as Error).message}`);
      return null;
    }
    if (given === null) {
      faults.push(`${name}_FILE: ${file} is empty: ${expected}`);
      return null;
    }
  }
  const text = given ?? variable.fallback;
  if (text === null) return null;
  const result = variable.format.schema.safeParse(text);
  if (result.success) return result.data;
  const shown = variable.secret ? 'has a value that is not accepted' : `is ${JSON.stringify(text)}`;
  faults.push(`${name} ${shown}: ${expected}`);
  return null;
}

/** A variable, or one that names the file of a secret. */
function isKnown(name: string): boolean {
  if (Object.hasOwn(variables, name)) return true;
  const of = name.replace(/_FILE$/, '');
  return of !== name && Object.hasOwn(variables, of) && 'secret' in variables[of as VariableName];
}

/** A misspelt variable would otherwise leave a default in force without a word. */
function unknownVariables(environment: Environment): string[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('TALLYLINE_') && !isKnown(name))
    .sort()
    .map((name) => `${name} is no setting: did you mean ${closest(name)}?`);
}

function closest(name: string): string {
  const candidates = Object.keys(variables).filter((candidate) => candidate.startsWith('TALLYLINE_'));
  return candidates
    .map((candidate) => [distance(name, candidate), candidate] as const)
    .sort((a, b) => a[0] - b[0])[0]![1];
}

/** Levenshtein's. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

function kafkaSettings(values: VariableValues, faults: string[]): KafkaSettings | null {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = values;
  const { KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: cert, KAFKA_SSL_KEY: key } = values;
  let sasl: KafkaSettings['sasl'] = null;
  if (mechanism !== null || username !== null || password !== null) {
    for (const name of ['KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'] as const) {
      if (values[name] === null)
        faults.push(`${name} is missing: expected ${variables[name].format.accepts}, as another KAFKA_SASL_* is set`);
    }
    if (mechanism !== null && username !== null && password !== null) sasl = { mechanism, username, password };
  }
  if ((cert === null) !== (key === null)) {
    faults.push(
      `${cert === null ? 'KAFKA_SSL_CERT' : 'KAFKA_SSL_KEY'} is missing: expected the certificate and its key together`,
    );
  }
  const rejectUnauthorized = values.KAFKA_SSL_REJECT_UNAUTHORIZED;
  const isEncrypted = values.KAFKA_SSL_ENABLED || ca !== null || cert !== null || !rejectUnauthorized;
  if (values.KAFKA_BROKERS === null) return null;
  return { brokers: values.KAFKA_BROKERS, sasl, ssl: isEncrypted ? { ca, cert, key, rejectUnauthorized } : null };
}

function clickhouseSettings(address: URL | null): Settings['clickhouse'] {
  if (address === null) return null;
  return {
    url: address.origin,
    username: decodeURIComponent(address.username) || 'default',
    password: decodeURIComponent(address.password),
    database: decodeURIComponent(address.pathname.slice(1)) || CLICKHOUSE_DATABASE,
  };
}

function assemble(values: VariableValues, kafka: KafkaSettings | null): Settings {
  return {
    http: {
      host: values.HOST,
      port: values.PORT,
      connectionsMax: values.TALLYLINE_CONNECTIONS,
      connectionsPerAddressMax: values.TALLYLINE_CONNECTIONS_PER_ADDRESS,
      trustedProxies: values.TALLYLINE_TRUSTED_PROXIES ?? [],
      drainGraceMs: values.TALLYLINE_DRAIN_GRACE,
    },
    logLevel: values.LOG_LEVEL,
    kafka,
    clickhouse: clickhouseSettings(values.CLICKHOUSE_URL),
    postgresUrl: values.DATABASE_URL?.href ?? null,
    log: {
      topic: values.TALLYLINE_TOPIC,
      group: values.TALLYLINE_GROUP,
      groupSessionMs: values.TALLYLINE_GROUP_SESSION,
      partitions: values.TALLYLINE_PARTITIONS ?? (kafka === null ? 4 : 12),
      replicationFactor: values.TALLYLINE_REPLICATION,
      minInsyncReplicas: values.TALLYLINE_MIN_INSYNC_REPLICAS,
      retentionMs: values.TALLYLINE_LOG_RETENTION,
    },
    ingest: {
      lingerMs: values.TALLYLINE_LINGER,
      batchEventsMax: values.TALLYLINE_BATCH_EVENTS,
      batchBytesMax: values.TALLYLINE_BATCH_BYTES,
      queueEventsMax: values.TALLYLINE_QUEUE_EVENTS,
      queueBytesMax: values.TALLYLINE_QUEUE_BYTES,
      bodyBytesMax: values.TALLYLINE_BODY_BYTES,
      appendTimeoutMs: values.TALLYLINE_APPEND_TIMEOUT,
      requestsPerSecondMax: values.TALLYLINE_REQUESTS_PER_SECOND,
    },
    query: {
      readTimeoutMs: values.TALLYLINE_READ_TIMEOUT,
      streamTimeoutMs: values.TALLYLINE_STREAM_TIMEOUT,
      readsAtOnce: values.TALLYLINE_READS_AT_ONCE,
      readMemoryBytesMax: values.TALLYLINE_READ_MEMORY,
      requestsPerSecondMax: values.TALLYLINE_REQUESTS_PER_SECOND,
    },
    accounts: {
      keys: values.TALLYLINE_ACCOUNTS_KEY,
      requestTimeoutMs: values.TALLYLINE_READ_TIMEOUT,
      requestsPerSecondMax: values.TALLYLINE_REQUESTS_PER_SECOND,
    },
    aggregator: {
      chunkOffsets: values.TALLYLINE_CHUNK_OFFSETS,
      chunkSlotMs: values.TALLYLINE_CHUNK_SLOT,
      horizonMs: values.TALLYLINE_HORIZON,
      flushIntervalMs: values.TALLYLINE_FLUSH_INTERVAL,
      flushEventsMax: values.TALLYLINE_FLUSH_EVENTS,
      dedupMemoryBytes: values.TALLYLINE_DEDUP_MEMORY,
      dedupDirectory: values.TALLYLINE_DEDUP_DIRECTORY,
      tickIntervalMs: values.TALLYLINE_TICK_INTERVAL,
      clockLeapMaxMs: values.TALLYLINE_CLOCK_LEAP,
    },
    rater: {
      intervalMs: values.TALLYLINE_RATER_INTERVAL,
      leaseMs: values.TALLYLINE_RATER_LEASE,
      auditIntervalMs: values.TALLYLINE_AUDIT_INTERVAL,
    },
    allowedLatenessMs: values.TALLYLINE_ALLOWED_LATENESS,
  };
}
