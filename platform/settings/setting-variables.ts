// Every environment variable there is: what it means, what it accepts, what holds without it. config.ts reads them,
// docs/operate/configuration.md is written from them.
import {
  addresses,
  boolean,
  duration,
  type Format,
  filledText,
  integer,
  name,
  networks,
  oneOf,
  secretKeys,
  size,
  url,
} from './setting-formats.ts';

export interface Variable<Value> {
  readonly format: Format<Value>;
  /** As it would be written; null: unset. */
  readonly fallback: string | null;
  /** One sentence or two, for the documentation. */
  readonly meaning: string;
  /** Its value is never shown, and NAME_FILE may name a file that holds it. */
  readonly secret?: true;
}

const variable = <Value, const Fallback extends string | null>(
  format: Format<Value>,
  fallback: Fallback,
  meaning: string,
): Variable<Value> & { readonly fallback: Fallback } => ({ format, fallback, meaning });
const secret = <Value>(format: Format<Value>, meaning: string): Variable<Value> & { readonly fallback: null } => ({
  format,
  fallback: null,
  meaning,
  secret: true,
});

const pem = filledText('a certificate or key in PEM form');

export const variables = {
  PORT: variable(integer(0, 65_535), '8080', 'Where the stage serves HTTP; 0 takes any free port.'),
  HOST: variable(
    filledText('a host name or address'),
    '127.0.0.1',
    'The address it listens on; 0.0.0.0 for every interface.',
  ),
  LOG_LEVEL: variable(
    oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    'info',
    'The least severe lines that are logged, as JSON on stderr.',
  ),

  DATABASE_URL: secret(
    url('postgresql://user:password@host:5432/database', 'postgres:', 'postgresql:'),
    'Postgres. Without it `up` and `demo` start an embedded server under the data directory; every other command needs it.',
  ),
  CLICKHOUSE_URL: secret(
    url('http://user:password@host:8123/database', 'http:', 'https:'),
    'ClickHouse, over HTTP. The database defaults to `tallyline`, the user to `default`. Without it `up` and `demo` run an in-process engine; every other command needs it.',
  ),
  KAFKA_BROKERS: variable(addresses, null, 'Kafka. Without it the event log lives in Postgres.'),
  KAFKA_SASL_MECHANISM: variable(
    oneOf('plain', 'scram-sha-256', 'scram-sha-512'),
    null,
    'How to log in to Kafka; with it KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are needed.',
  ),
  KAFKA_SASL_USERNAME: secret(filledText('a user name'), 'The user at Kafka.'),
  KAFKA_SASL_PASSWORD: secret(filledText('a password'), "That user's password."),
  KAFKA_SSL_ENABLED: variable(
    boolean,
    'false',
    'Speak TLS to Kafka. Any other KAFKA_SSL_* variable turns it on as well.',
  ),
  KAFKA_SSL_CA: secret(
    pem,
    "The authority that signed the brokers' certificates; without it the system's authorities are trusted.",
  ),
  KAFKA_SSL_CERT: secret(pem, 'A client certificate; needs KAFKA_SSL_KEY.'),
  KAFKA_SSL_KEY: secret(pem, "The client certificate's key."),
  KAFKA_SSL_REJECT_UNAUTHORIZED: variable(
    boolean,
    'true',
    'False accepts any certificate of a broker: for tests only.',
  ),

  TALLYLINE_CONNECTIONS: variable(
    integer(1, 1_000_000),
    null,
    'Connections a stage takes at once. Without it three quarters of its file descriptors, at most 4096: the rest is for the stores.',
  ),
  TALLYLINE_CONNECTIONS_PER_ADDRESS: variable(
    integer(1, 1_000_000),
    null,
    'The same from one address (of IPv6: one /64) that is no trusted proxy. Without it half of all.',
  ),
  TALLYLINE_TRUSTED_PROXIES: variable(
    networks,
    null,
    'Load balancers and proxies that stand before a stage: their connections are other people’s, and bounded only in total.',
  ),
  TALLYLINE_DRAIN_GRACE: variable(
    duration('0ms'),
    '10s',
    'How long a gateway or read API that is told to end goes on answering, while `/readyz` says no and each answer closes its connection: longer than a load balancer takes to notice. Not under `up`.',
  ),

  TALLYLINE_TOPIC: variable(name(200), 'tallyline-events', 'The topic of the event log.'),
  TALLYLINE_GROUP: variable(name(200), 'tallyline-aggregator', 'The consumer group of the aggregators.'),
  TALLYLINE_GROUP_SESSION: variable(
    duration('2s'),
    '10s',
    'How long an aggregator that is silent keeps its partitions. Kafka refuses less than its group.min.session.timeout.ms (6 s).',
  ),
  TALLYLINE_PARTITIONS: variable(
    integer(1, 1_024),
    null,
    'Partitions of a new topic: 12 with Kafka, 4 without. An existing topic keeps its number.',
  ),
  TALLYLINE_REPLICATION: variable(integer(1, 9), '3', 'Replicas of a new Kafka topic.'),
  TALLYLINE_MIN_INSYNC_REPLICAS: variable(
    integer(1, 9),
    '2',
    'Replicas that must hold an event before it is acknowledged; a single broker needs 1, and TALLYLINE_REPLICATION=1.',
  ),
  TALLYLINE_LOG_RETENTION: variable(
    duration('1h'),
    '71d',
    'How long the log keeps events. Twice the horizon and a day: everything can then be computed again from the log alone.',
  ),

  TALLYLINE_LINGER: variable(
    duration('0ms'),
    '5ms',
    'How long the gateway waits for more events of a partition before it writes a batch.',
  ),
  TALLYLINE_BATCH_EVENTS: variable(integer(1, 65_536), '500', 'Events in a batch at most.'),
  TALLYLINE_BATCH_BYTES: variable(
    size('1kB'),
    '900kB',
    "Bytes in a batch at most; below the broker's own limit for a message.",
  ),
  TALLYLINE_QUEUE_EVENTS: variable(
    integer(1, 10_000_000),
    '200000',
    'Events admitted and not yet durable, over all partitions; beyond it the answer is 503.',
  ),
  TALLYLINE_QUEUE_BYTES: variable(size('1MB'), '256MB', 'The same in bytes.'),
  TALLYLINE_BODY_BYTES: variable(
    size('1kB'),
    '10MB',
    'The largest request body, after decompression; beyond it the answer is 413.',
  ),
  TALLYLINE_APPEND_TIMEOUT: variable(
    duration('100ms'),
    '10s',
    'How long a request waits for its events to be durable; then the answer is 503.',
  ),
  TALLYLINE_REQUESTS_PER_SECOND: variable(
    integer(0, 1_000_000),
    '0',
    'Requests a second of one API key, those that send events, those that read and those about accounts each by themselves; beyond it the answer is 429. 0: no limit.',
  ),

  TALLYLINE_ACCOUNTS_KEY: secret(
    secretKeys,
    'What the names, addresses and metadata of customers are encrypted by. Of several keys the first encrypts and all decrypt: to replace a key, put the new one before it. `up` makes one beside its data; `manage`, `import` and `export` need it.',
  ),

  TALLYLINE_READ_TIMEOUT: variable(
    duration('100ms'),
    '10s',
    'How long a read of the API, or a change of an account, may take: its key, its turn and the stores together; then the answer is 503.',
  ),
  TALLYLINE_STREAM_TIMEOUT: variable(
    duration('1s'),
    '5m',
    'How long a read of usage that is sent as a stream may take until its client has all of it; then the connection is cut.',
  ),
  TALLYLINE_READS_AT_ONCE: variable(
    integer(1, 1_000),
    '4',
    'Reads of usage that a process has ClickHouse work on at once, half as many more that are streams, and as many of line items at Postgres; others wait their turn, fairly by tenant.',
  ),
  TALLYLINE_READ_MEMORY: variable(
    size('1MB'),
    '1GB',
    'What ClickHouse may take of memory for one read of usage; beyond it the answer is 503.',
  ),

  TALLYLINE_HORIZON: variable(
    duration('1m'),
    '35d',
    'How old an event may be at a gateway. Keys are remembered an hour longer. Fixed when a topic is first used; later it can only make gateways accept less.',
  ),
  TALLYLINE_CHUNK_OFFSETS: variable(
    integer(1, 1_000_000),
    '1024',
    'Offsets in a chunk of a partition at most; what is priced is whole chunks. Fixed when a topic is first used.',
  ),
  TALLYLINE_CHUNK_SLOT: variable(
    duration('100ms'),
    '30s',
    'Time in a chunk at most, by the log’s clock. Fixed when a topic is first used.',
  ),
  TALLYLINE_FLUSH_INTERVAL: variable(duration('10ms'), '1s', 'How often roll-ups become queryable.'),
  TALLYLINE_FLUSH_EVENTS: variable(integer(1, 10_000_000), '100000', 'Events after which they do in any case.'),
  TALLYLINE_DEDUP_MEMORY: variable(
    size('16MB'),
    null,
    'Memory for the keys of the horizon, over all partitions of an aggregator; without it as much as they take, 31 to 62 bytes each. Keys beyond it go to files, and take 2 bytes of it.',
  ),
  TALLYLINE_DEDUP_DIRECTORY: variable(
    filledText('a directory'),
    '/tmp',
    'Where these files are, 32 bytes a key: on a disk of the machine. They have no names, and are gone when the process ends.',
  ),
  TALLYLINE_TICK_INTERVAL: variable(
    duration('100ms'),
    '1s',
    'How often an idle partition gets a tick, which moves its clock on.',
  ),
  TALLYLINE_CLOCK_LEAP: variable(
    duration('1s'),
    '1h',
    'A record appended further ahead of this machine’s clock than this halts the partition: a wrong clock would close windows too early.',
  ),

  TALLYLINE_RATER_INTERVAL: variable(
    duration('10ms'),
    '5s',
    'How often new sealed chunks and closed windows are looked for.',
  ),
  TALLYLINE_RATER_LEASE: variable(
    duration('1s'),
    '30s',
    'How long a rater that is gone is missed: then the others take its shards. One that stops gives them back at once.',
  ),
  TALLYLINE_AUDIT_INTERVAL: variable(
    duration('100ms'),
    '10s',
    'How often the rater checks a part of what is stored against what was sealed; less often where a check takes long.',
  ),
  TALLYLINE_ALLOWED_LATENESS: variable(
    duration('0ms'),
    '5m',
    'How long after its end a window is closed and priced. A later event is still counted, and priced as an adjustment.',
  ),
} satisfies Readonly<Record<string, Variable<unknown>>>;

export type VariableName = keyof typeof variables;

type ValueOf<Name extends VariableName> =
  (typeof variables)[Name]['format'] extends Format<infer Value> ? Value : never;

/** The parsed values; null only where there is no default. */
export type VariableValues = {
  readonly [Name in VariableName]: (typeof variables)[Name]['fallback'] extends string
    ? ValueOf<Name>
    : ValueOf<Name> | null;
};
