// What people type, and what they forget to set: arguments, environment, and what the message has to name. `DIR` in an
// argument or value is a directory of the test with these files in it.
export const files: Readonly<Record<string, string | Uint8Array>> = {
  'good.yaml': 'currency: USD\n',
  'bad.yaml': 'currency: USD\nmeters:\n  - slug: tokens\n',
  'latin1.yaml': Uint8Array.from(Buffer.from('currency: USD # caf\u00e9\n', 'latin1')),
  'empty.yaml': '',
  'binary.yaml': Uint8Array.from([0, 1, 2, 3]),
  'empty-secret': '\n',
  'broken/stages.json': '{"postgres":',
  'a-file': 'not a directory',
  'trace.csv': 'TIMESTAMP,ContextTokens,GeneratedTokens\n2026-11-01 00:00:00,many,2\n',
};

type CommandCase = readonly [args: string, environment: Readonly<Record<string, string>>, says: RegExp];

/** Nothing answers there. */
const nowhere = 'postgresql://u:secret-password@127.0.0.1:1/d';
const stores = { DATABASE_URL: nowhere, CLICKHOUSE_URL: 'http://default:secret-password@127.0.0.1:1' };

const grammar: readonly CommandCase[] = [
  ['serve', {}, /unknown command 'serve'/],
  ['UP', {}, /unknown command 'UP'/],
  ['serve\u0007', {}, /unknown command 'serve\\u0007'/],
  ['up --port\u0007', {}, /unknown option '--port\\u0007'/],
  ['--verbose', {}, /unknown option '--verbose'/],
  ['up --prot 80', {}, /unknown option '--prot'[\s\S]*--port/],
  ['up --port', {}, /'--port <port>' argument missing/],
  ['up now', {}, /too many arguments/],
  ['catalog', {}, /Usage: tallyline catalog/],
  ['catalog show', {}, /unknown command 'show'/],
  ['catalog apply', {}, /missing required argument 'file'/],
  ['catalog apply a b', {}, /too many arguments/],
  ['keys create', {}, /required option '--tenant <tenant>' not specified/],
  ['keys revoke', {}, /missing required argument 'id'/],
  ['keys rotate', {}, /missing required argument 'id'/],
  ['keys delete x', {}, /unknown command 'delete'/],
  ['verify --since 2026-11-01', {}, /unknown option '--since'/],
  ['replay --all', {}, /unknown option '--all'/],
  ['repair --all', {}, /unknown option '--all'/],
  ['demo --events', {}, /'--events <count>' argument missing/],
];

const values: readonly CommandCase[] = [
  ['up --port x --data-dir DIR/d', {}, /PORT is "x": expected a whole number from 0 to 65535/],
  ['up --port -1 --data-dir DIR/d', {}, /PORT is "-1": expected a whole number/],
  ['up --port 65536 --data-dir DIR/d', {}, /PORT is "65536": expected a whole number/],
  ['up --port 1e3 --data-dir DIR/d', {}, /PORT is "1e3": expected a whole number/],
  ['up --port 0x50 --data-dir DIR/d', {}, /PORT is "0x50": expected a whole number/],
  ['up --port 80.0 --data-dir DIR/d', {}, /PORT is "80.0": expected a whole number/],
  ['up --port ٨٠ --data-dir DIR/d', {}, /PORT is "٨٠": expected a whole number/],
  ['up --allowed-lateness 5 --data-dir DIR/d', {}, /TALLYLINE_ALLOWED_LATENESS is "5": expected a duration such as/],
  ['up --allowed-lateness 5min --data-dir DIR/d', {}, /TALLYLINE_ALLOWED_LATENESS is "5min": expected a duration/],
  ['up --allowed-lateness -5m --data-dir DIR/d', {}, /TALLYLINE_ALLOWED_LATENESS is "-5m": expected a duration/],
  ['up --allowed-lateness 1.5h --data-dir DIR/d', {}, /TALLYLINE_ALLOWED_LATENESS is "1.5h": expected a duration/],
  ['up --allowed-lateness 1h30m --data-dir DIR/d', {}, /TALLYLINE_ALLOWED_LATENESS is "1h30m": expected a duration/],
  ['up --allowed-lateness 5M --data-dir DIR/d', {}, /TALLYLINE_ALLOWED_LATENESS is "5M": expected a duration/],
  ['up --allowed-lateness 999999999999d --data-dir DIR/d', {}, /TALLYLINE_ALLOWED_LATENESS is .*: expected a duration/],
  [
    'up --allowed-lateness Infinity --data-dir DIR/d',
    {},
    /TALLYLINE_ALLOWED_LATENESS is "Infinity": expected a duration/,
  ],
  [
    'up --allowed-lateness 5__proto__ --data-dir DIR/d',
    {},
    /TALLYLINE_ALLOWED_LATENESS is "5__proto__": expected a duration/,
  ],
  ['ingest --port x', stores, /PORT is "x": expected a whole number/],
  ['demo --events 0', {}, /--events.*a whole number from 1 to 10000000/],
  ['demo --events 1e3', {}, /--events.*a whole number from 1/],
  ['demo --events -5', {}, /--events.*a whole number from 1/],
  ['demo --seed 9007199254740993', {}, /--seed.*a whole number from 0/],
  ['demo --rate fast', {}, /--rate.*a whole number from 0/],
  ['demo --port 70000', {}, /--port.*a whole number from 0 to 65535/],
  ['catalog apply DIR/good.yaml --effective-at tomorrow', stores, /--effective-at.*must be an RFC 3339 time/],
  ['catalog apply DIR/good.yaml --effective-at 2026-12-01', stores, /--effective-at.*must be an RFC 3339 time/],
  [
    'catalog apply DIR/good.yaml --effective-at 2026-02-30T00:00:00Z',
    stores,
    /--effective-at.*must be an RFC 3339 time/,
  ],
  ['verify --from yesterday', stores, /--from must be a UTC day such as 2026-11-01, not 'yesterday'/],
  ['verify --from 2026-11-01T10:00:00Z', stores, /--from must be a UTC day/],
  ['verify --from 11/01/2026', stores, /--from must be a UTC day/],
  ['verify --to 2026-02-30', stores, /--to must be a UTC day such as 2026-11-01, not '2026-02-30'/],
  ['verify --to 2026', stores, /--to must be a UTC day/],
  ['replay --from yesterday', stores, /--from must be an RFC 3339 time such as .*, not 'yesterday'/],
  ['replay --from 2026', stores, /--from must be an RFC 3339 time/],
  ['replay --from 2026-11-01', stores, /--from must be an RFC 3339 time/],
  ['replay --to 2026-11-31T00:00:00Z', stores, /--to must be an RFC 3339 time/],
  [`keys create --tenant ${'t'.repeat(257)}`, stores, /--tenant must be at most 256 characters/],
  ['keys create --tenant=', stores, /--tenant must not be empty/],
  ['keys create --tenant t --scope write', stores, /--scope must be one of ingest, read, manage, admin, not 'write'/],
  ['keys create --tenant t --scope', {}, /'--scope <scope>' argument missing/],
  ['keys create --tenant t --customer=', stores, /a customer must not be empty/],
  ['keys create --tenant t --customer c --scope manage', stores, /scope manage can't be limited to a customer/],
  ['keys create --tenant t --customer c --operator', stores, /operator's key can't be limited to a customer/],
  [
    'keys create --tenant t --expires soon',
    stores,
    /--expires must be a duration .*, or an RFC 3339 time .*, not 'soon'/,
  ],
  ['keys create --tenant t --expires 0s', stores, /--expires must be a duration .* at least 1s/],
  ['keys create --tenant t --expires 2026-01-01T00:00:00Z', stores, /--expires must lie ahead/],
  ['keys create --tenant t --expires 40000d', stores, /--expires must be at most 100 years ahead/],
  ['keys rotate k --overlap forever', stores, /--overlap must be a duration .*, not 'forever'/],
];

const settings: readonly CommandCase[] = [
  ['migrate', { ...stores, TALLYLINE_LINGER: 'fast' }, /TALLYLINE_LINGER is "fast": expected a duration/],
  ['migrate', { ...stores, TALLYLINE_BODY_BYTES: '10' }, /TALLYLINE_BODY_BYTES is "10": expected a size such as/],
  ['migrate', { ...stores, TALLYLINE_BODY_BYTES: '10mb' }, /TALLYLINE_BODY_BYTES is "10mb": expected a size/],
  [
    'migrate',
    { ...stores, TALLYLINE_BODY_BYTES: '1B' },
    /TALLYLINE_BODY_BYTES is "1B": expected a size .* at least 1kB/,
  ],
  [
    'migrate',
    { ...stores, TALLYLINE_PARTITIONS: '0' },
    /TALLYLINE_PARTITIONS is "0": expected a whole number from 1 to 1024/,
  ],
  ['migrate', { ...stores, TALLYLINE_PARTITIONS: '1.5' }, /TALLYLINE_PARTITIONS is "1.5": expected a whole number/],
  ['migrate', { ...stores, TALLYLINE_PARTITIONS: ' 4' }, /TALLYLINE_PARTITIONS is " 4": expected a whole number/],
  ['migrate', { ...stores, TALLYLINE_TOPIC: 'a b' }, /TALLYLINE_TOPIC is "a b": expected 1 to 200 of the characters/],
  ['migrate', { ...stores, TALLYLINE_HORIZON: '0s' }, /TALLYLINE_HORIZON is "0s": expected a duration .* at least 1m/],
  ['migrate', { ...stores, LOG_LEVEL: 'loud' }, /LOG_LEVEL is "loud": expected one of fatal/],
  [
    'migrate',
    { ...stores, TALLYLINE_LINGERR: '5ms' },
    /TALLYLINE_LINGERR is no setting: did you mean TALLYLINE_LINGER\?/,
  ],
  ['migrate', { ...stores, KAFKA_BROKERS: 'kafka' }, /KAFKA_BROKERS is "kafka": expected host:port/],
  ['migrate', { ...stores, KAFKA_BROKERS: 'a:1,,b:2' }, /KAFKA_BROKERS is "a:1,,b:2": expected host:port/],
  ['migrate', { ...stores, KAFKA_BROKERS: 'http://a:9092' }, /KAFKA_BROKERS is .*: expected host:port/],
  ['migrate', { ...stores, KAFKA_SASL_MECHANISM: 'gssapi' }, /KAFKA_SASL_MECHANISM is "gssapi": expected one of plain/],
  ['migrate', { ...stores, KAFKA_SASL_USERNAME: 'u' }, /KAFKA_SASL_PASSWORD is missing/],
  [
    'migrate',
    { ...stores, KAFKA_SSL_CERT: 'x' },
    /KAFKA_SSL_KEY is missing: expected the certificate and its key together/,
  ],
  ['migrate', { ...stores, KAFKA_SSL_ENABLED: 'yes' }, /KAFKA_SSL_ENABLED is "yes": expected true or false/],
  [
    'migrate',
    { ...stores, KAFKA_BROKERS: 'a:1', TALLYLINE_REPLICATION: '1' },
    /TALLYLINE_MIN_INSYNC_REPLICAS is 2: expected at most TALLYLINE_REPLICATION \(1\)/,
  ],
  [
    'migrate',
    { ...stores, DATABASE_URL: 'mysql://u:secret-password@h/d' },
    /DATABASE_URL has a value that is not accepted: expected an address such as postgresql:/,
  ],
  ['migrate', { ...stores, DATABASE_URL: 'localhost' }, /DATABASE_URL has a value that is not accepted/],
  [
    'migrate',
    { ...stores, CLICKHOUSE_URL: 'ftp://secret-password@h' },
    /CLICKHOUSE_URL has a value that is not accepted: expected an address such as http:/,
  ],
  ['migrate', { ...stores, DATABASE_URL_FILE: 'DIR/empty-secret' }, /DATABASE_URL and DATABASE_URL_FILE are both set/],
  [
    'migrate',
    { CLICKHOUSE_URL: stores.CLICKHOUSE_URL, DATABASE_URL_FILE: 'DIR/none' },
    /DATABASE_URL_FILE: ENOENT.*DIR\/none/,
  ],
  [
    'migrate',
    { CLICKHOUSE_URL: stores.CLICKHOUSE_URL, DATABASE_URL_FILE: 'DIR/empty-secret' },
    /DATABASE_URL_FILE: .*empty-secret is empty/,
  ],
  ['up --port x --allowed-lateness y', { TALLYLINE_LINGER: 'z' }, /3 faults/],
];

const missing: readonly CommandCase[] = [
  ['migrate --data-dir DIR/none', {}, /DATABASE_URL is not set|CLICKHOUSE_URL is not set/],
  ['keys list --data-dir DIR/none', {}, /DATABASE_URL is not set/],
  ['catalog diff DIR/good.yaml --data-dir DIR/none', {}, /DATABASE_URL is not set/],
  ['verify --data-dir DIR/none', {}, /(DATABASE|CLICKHOUSE)_URL is not set/],
  ['replay --data-dir DIR/none', { DATABASE_URL: nowhere }, /CLICKHOUSE_URL is not set/],
  ['repair --data-dir DIR/none', {}, /(DATABASE|CLICKHOUSE)_URL is not set/],
  ['aggregator', {}, /(DATABASE|CLICKHOUSE)_URL is not set/],
  ['rater', { CLICKHOUSE_URL: stores.CLICKHOUSE_URL }, /DATABASE_URL is not set/],
  ['query', { DATABASE_URL: nowhere }, /CLICKHOUSE_URL is not set/],
  ['ingest', {}, /DATABASE_URL is not set/],
  ['keys list --data-dir DIR/broken', {}, /broken\/stages\.json can't be read/],
];

const unreachable: readonly CommandCase[] = [
  [
    'keys list',
    { DATABASE_URL: nowhere },
    /Postgres at 127\.0\.0\.1:1.*nothing listens there \(ECONNREFUSED\): start /,
  ],
  ['migrate', stores, /Postgres at 127\.0\.0\.1:1.*nothing listens there \(ECONNREFUSED\): start /],
  ['catalog apply DIR/good.yaml', stores, /127\.0\.0\.1:1/],
  ['replay', stores, /127\.0\.0\.1:1/],
  ['verify', stores, /127\.0\.0\.1:1/],
  ['repair --yes', stores, /127\.0\.0\.1:1/],
  ['keys list', { DATABASE_URL: 'postgresql://u@no-such-host.invalid/d' }, /no-such-host\.invalid/],
];

const paths: readonly CommandCase[] = [
  ['catalog apply DIR/none.yaml', stores, /none\.yaml: can't be read: there is no such file/],
  ['catalog apply DIR', stores, /can't be read: \w+: illegal operation on a directory/],
  ['catalog apply DIR/latin1.yaml', stores, /latin1\.yaml: is not UTF-8 text/],
  ['catalog apply DIR/empty.yaml', stores, /empty\.yaml:1:1 must be a map/],
  ['catalog apply DIR/binary.yaml', stores, /binary\.yaml:1:1 holds a NUL character/],
  ['catalog diff DIR/bad.yaml', stores, /bad\.yaml:3:5 meters\[0\]\.eventType: is missing/],
  ['up --port 0 --data-dir DIR/d --catalog DIR/none.yaml', {}, /none\.yaml: can't be read: there is no such file/],
  ['up --port 0 --data-dir DIR/d --catalog DIR/latin1.yaml', {}, /latin1\.yaml: is not UTF-8 text/],
  ['up --port 0 --data-dir DIR/d --catalog DIR/bad.yaml', {}, /bad\.yaml:3:5 meters\[0\]\.eventType: is missing/],
  ['up --port 0 --data-dir DIR/a-file', {}, /the directory DIR\/a-file can't be made \(EEXIST\): choose another/],
  [
    'up --port 0 --data-dir /proc/tallyline',
    {},
    /the directory \/proc\/tallyline can't be made \(ENOENT\): mkdir \/proc\/tallyline: there is no such/,
  ],
  ['demo --trace DIR/none.csv', {}, /none\.csv/],
  ['demo --trace DIR/trace.csv', {}, /trace\.csv.*(line )?2/],
  ['demo --data-dir DIR', {}, /empty|in use/],
];

export const commandCases: Readonly<Record<string, readonly CommandCase[]>> = {
  'a command that is not one': grammar,
  'a value that is not one': values,
  'a setting that is not one': settings,
  'a setting that is missing': missing,
  'a store that is not there': unreachable,
  'a file that is not as it should be': paths,
};
