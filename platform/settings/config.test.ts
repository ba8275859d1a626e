import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { projectFile } from '../process/project-root.ts';
import { parseSettings, SettingsError } from './config.ts';
import { configurationPage } from './configuration-page.ts';

function faultsOf(environment: Record<string, string>): readonly string[] {
  try {
    parseSettings(environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

describe('parseSettings', () => {
  it('has a default for everything but the stores', () => {
    const settings = parseSettings({});
    expect(settings.kafka).toBeNull();
    expect(settings.clickhouse).toBeNull();
    expect(settings.postgresUrl).toBeNull();
    expect(settings.http).toEqual({
      ...{ host: '127.0.0.1', port: 8080, connectionsMax: null },
      ...{ connectionsPerAddressMax: null, trustedProxies: [], drainGraceMs: 10_000 },
    });
    expect(settings.log).toEqual({
      topic: 'tallyline-events',
      group: 'tallyline-aggregator',
      groupSessionMs: 10_000,
      partitions: 4,
      replicationFactor: 3,
      minInsyncReplicas: 2,
      retentionMs: 71 * 86_400_000,
    });
    expect(settings.ingest).toMatchObject({
      lingerMs: 5,
      batchEventsMax: 500,
      batchBytesMax: 900_000,
      bodyBytesMax: 10_000_000,
    });
    expect(settings.aggregator).toEqual({
      chunkOffsets: 1_024,
      chunkSlotMs: 30_000,
      horizonMs: 35 * 86_400_000,
      flushIntervalMs: 1_000,
      flushEventsMax: 100_000,
      dedupMemoryBytes: null,
      dedupDirectory: '/tmp',
      tickIntervalMs: 1_000,
      clockLeapMaxMs: 3_600_000,
    });
    expect(settings.allowedLatenessMs).toBe(300_000);
  });

  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['5 m', 300_000],
    ['35d', 35 * 86_400_000],
  ])('reads the duration %s', (text, ms) => {
    expect(parseSettings({ TALLYLINE_ALLOWED_LATENESS: text }).allowedLatenessMs).toBe(ms);
  });

  it.each([
    ['PORT', '70000', 'PORT is "70000": expected a whole number from 0 to 65535'],
    ['LOG_LEVEL', 'loud', 'LOG_LEVEL is "loud": expected one of fatal, error, warn, info, debug, trace, silent'],
    ['TALLYLINE_CHUNK_SLOT', '30', 'TALLYLINE_CHUNK_SLOT is "30": expected a duration such as'],
    ['TALLYLINE_CHUNK_SLOT', '1ms', 'at least 100ms'],
    ['TALLYLINE_CHUNK_SLOT', '5constructor', 'expected a duration'],
    ['TALLYLINE_BATCH_BYTES', '900', 'TALLYLINE_BATCH_BYTES is "900": expected a size such as'],
    ['TALLYLINE_PARTITIONS', '0', 'expected a whole number from 1'],
    ['TALLYLINE_PARTITIONS', '1e2', 'expected a whole number'],
    ['KAFKA_BROKERS', 'broker', 'expected host:port, several separated by commas'],
    ['TALLYLINE_PARTITIONS_FILE', '4', 'TALLYLINE_PARTITIONS_FILE is no setting: did you mean TALLYLINE_PARTITIONS?'],
    ['TALLYLINE_PARTITION', '4', 'TALLYLINE_PARTITION is no setting: did you mean TALLYLINE_PARTITIONS?'],
  ])('refuses %s=%s, naming it and what is accepted', (name, value, fault) => {
    const faults = faultsOf({ [name]: value });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(fault);
  });

  it('reports all faults at once, and no secret', () => {
    const faults = faultsOf({
      PORT: 'x',
      DATABASE_URL: 'mysql://root:hunter2@db',
      CLICKHOUSE_URL: 'hunter2',
      TALLYLINE_LINGER: 'soon',
    });
    expect(faults).toHaveLength(4);
    expect(faults.join('\n')).not.toContain('hunter2');
    expect(faults.join('\n')).toMatch(
      /DATABASE_URL has a value that is not accepted: expected an address such as postgresql:/,
    );
  });

  it('takes the addresses of a cluster apart', () => {
    const settings = parseSettings({
      CLICKHOUSE_URL: 'https://me:p%40ss@ch.example:8443/usage',
      DATABASE_URL: 'postgres://u:p@db/x?sslmode=require',
      KAFKA_BROKERS: 'a:9092, b:9092',
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      KAFKA_SASL_USERNAME: 'u',
      KAFKA_SASL_PASSWORD: 'p',
      KAFKA_SSL_ENABLED: 'true',
    });
    expect(settings.clickhouse).toEqual({
      url: 'https://ch.example:8443',
      username: 'me',
      password: 'p@ss',
      database: 'usage',
    });
    expect(settings.postgresUrl).toBe('postgres://u:p@db/x?sslmode=require');
    expect(settings.kafka).toEqual({
      brokers: ['a:9092', 'b:9092'],
      sasl: { mechanism: 'scram-sha-512', username: 'u', password: 'p' },
      ssl: { ca: null, cert: null, key: null, rejectUnauthorized: true },
    });
    expect(settings.log.partitions).toBe(12);
  });

  it('wants what belongs together', () => {
    expect(faultsOf({ KAFKA_BROKERS: 'a:1', KAFKA_SASL_USERNAME: 'u' })).toEqual([
      expect.stringContaining('KAFKA_SASL_MECHANISM is missing'),
      expect.stringContaining('KAFKA_SASL_PASSWORD is missing'),
    ]);
    expect(faultsOf({ KAFKA_BROKERS: 'a:1', KAFKA_SSL_CERT: 'pem' })).toEqual([
      expect.stringContaining('KAFKA_SSL_KEY is missing'),
    ]);
    expect(faultsOf({ KAFKA_BROKERS: 'a:1', TALLYLINE_REPLICATION: '1' })).toEqual([
      'TALLYLINE_MIN_INSYNC_REPLICAS is 2: expected at most TALLYLINE_REPLICATION (1)',
    ]);
  });

  it('reads secrets from files', () => {
    const directory = mkdtempSync(join(tmpdir(), 'tallyline-config-'));
    try {
      const file = join(directory, 'url');
      writeFileSync(file, 'postgresql://u:p@db/x\n');
      expect(parseSettings({ DATABASE_URL_FILE: file }).postgresUrl).toBe('postgresql://u:p@db/x');
      expect(faultsOf({ DATABASE_URL_FILE: file, DATABASE_URL: 'postgresql://db/y' })).toEqual([
        'DATABASE_URL and DATABASE_URL_FILE are both set: expected one of them',
      ]);
      expect(faultsOf({ KAFKA_SASL_PASSWORD_FILE: join(directory, 'absent') })[0]).toMatch(
        /^KAFKA_SASL_PASSWORD_FILE: ENOENT/,
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('takes keys of 32 bytes, the newest first, and never shows one', () => {
    const [next, old] = [Buffer.alloc(32, 2), Buffer.alloc(32, 1)].map((key) => key.toString('base64'));
    expect(parseSettings({ TALLYLINE_ACCOUNTS_KEY: `${next}, ${old}` }).accounts.keys).toEqual([
      Buffer.alloc(32, 2),
      Buffer.alloc(32, 1),
    ]);
    expect(parseSettings({}).accounts.keys).toBeNull();
    const directory = mkdtempSync(join(tmpdir(), 'tallyline-config-'));
    try {
      writeFileSync(join(directory, 'key'), `${next}\n`);
      const { accounts } = parseSettings({ TALLYLINE_ACCOUNTS_KEY_FILE: join(directory, 'key') });
      expect(accounts.keys).toEqual([Buffer.alloc(32, 2)]);
    } finally {
      rmSync(directory, { recursive: true });
    }
    for (const bad of ['hunter2', Buffer.alloc(31).toString('base64'), `${next},`, `${next};${old}`]) {
      const [fault] = faultsOf({ TALLYLINE_ACCOUNTS_KEY: bad });
      expect(fault).toMatch(/^TALLYLINE_ACCOUNTS_KEY has a value that is not accepted: expected 32 bytes in base64/);
      expect(fault).not.toContain(bad);
    }
  });

  it('prefers the command line to the environment, and counts an empty value as unset', () => {
    expect(parseSettings({ PORT: '1' }, { PORT: '2' }).http.port).toBe(2);
    expect(parseSettings({ PORT: '1' }, { PORT: undefined }).http.port).toBe(1);
    expect(parseSettings({ PORT: '', KAFKA_BROKERS: '' }).http.port).toBe(8080);
  });
});

describe('docs/operate/configuration.md', () => {
  it('is what `tallyline settings` prints', () => {
    expect(readFileSync(projectFile('docs/operate/configuration.md'), 'utf8')).toBe(configurationPage());
  });
});
