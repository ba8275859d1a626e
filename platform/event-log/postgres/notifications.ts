// Wakes the readers of a topic when something was appended or a group's membership changed, over LISTEN/NOTIFY. It only
// saves waiting: every reader also polls, so a lost notification costs time and nothing else.
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Logger } from 'pino';

/** Null: the membership of some group changed. */
type Listener = (partitions: readonly number[] | null) => void;

const MEMBERS = 'members';
const reconnectDelayMs = 1000;
/** Appends within this time share a notification. */
const notifyDelayMs = 5;

export class Notifications {
  readonly #pool: pg.Pool;
  readonly #logger: Logger;
  readonly #channel: string;
  readonly #listeners = new Set<Listener>();
  readonly #appended = new Set<number>();
  #client: pg.PoolClient | null = null;
  #sessionPid: number | null = null;
  #connecting: Promise<void> | null = null;
  #notifyTimer: NodeJS.Timeout | null = null;
  #reconnectTimer: NodeJS.Timeout | null = null;
  #sending: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(pool: pg.Pool, topic: string, logger: Logger) {
    this.#pool = pool;
    this.#logger = logger;
    // A channel's name is an identifier of at most 63 bytes; a topic's may be longer.
    this.#channel = `tallyline_log_${createHash('sha256').update(topic).digest('hex').slice(0, 32)}`;
  }

  /** The backend of the connection that listens: it ends with this process, however that ends. Null while there is none. */
  get sessionPid(): number | null {
    return this.#client === null ? null : this.#sessionPid;
  }

  /** Calls `listener` until the returned function is called. The first listener opens the connection that listens. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#client === null) this.#connect();
    return () => this.#listeners.delete(listener);
  }

  /** Readers in this process are woken at once; those in others through the database, outside the transaction that appended. */
  appended(partition: number): void {
    this.#dispatch([partition]);
    if (this.#closed) return;
    this.#appended.add(partition);
    this.#notifyTimer ??= setTimeout(() => {
      this.#notifyTimer = null;
      const partitions = [...this.#appended].join(',');
      this.#appended.clear();
      this.#notify(partitions);
    }, notifyDelayMs);
  }

  membersChanged(): void {
    this.#dispatch(null);
    if (!this.#closed) this.#notify(MEMBERS);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    if (this.#notifyTimer !== null) clearTimeout(this.#notifyTimer);
    if (this.#reconnectTimer !== null) clearTimeout(this.#reconnectTimer);
    await this.#sending;
    await this.#connecting;
    this.#client?.release(true);
    this.#client = null;
  }

  #dispatch(partitions: readonly number[] | null): void {
    for (const listener of this.#listeners) listener(partitions);
  }

  #notify(payload: string): void {
    this.#sending = this.#sending
      .then(() => this.#pool.query('SELECT pg_notify($1, $2)', [this.#channel, payload]))
      .catch((error: unknown) =>
        this.#logger.debug({ err: error }, 'a notification was not sent; readers find the records by polling'),
      );
  }

  #connect(): void {
    if (this.#closed || this.#connecting !== null) return;
    this.#connecting = this.#openClient()
      .catch((error: unknown) => {
        this.#logger.warn({ err: error }, 'cannot listen for appends; polling until the connection is back');
        this.#reconnectLater();
      })
      .finally(() => {
        this.#connecting = null;
      });
  }

  async #openClient(): Promise<void> {
    const client = await this.#pool.connect();
    client.on('error', (error: Error) => {
      // Before LISTEN is done the query rejects as well, and after a release the client is nobody's.
      if (this.#client !== client) return;
      this.#client = null;
      client.release(error);
      this.#reconnectLater();
    });
    client.on('notification', ({ payload = '' }) =>
      this.#dispatch(payload === MEMBERS ? null : payload.split(',').map(Number)),
    );
    try {
      // A channel cannot be a bound parameter; this one is made of our own letters and hex digits.
      await client.query(`LISTEN ${this.#channel}`);
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      this.#sessionPid = rows[0]!.pid;
    } catch (error) {
      client.release(true);
      throw error;
    }
    this.#client = client;
  }

  #reconnectLater(): void {
    if (this.#closed) return;
    this.#reconnectTimer = setTimeout(() => this.#connect(), reconnectDelayMs);
    this.#reconnectTimer.unref();
  }
}
