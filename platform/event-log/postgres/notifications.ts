// Wakes the readers of a topic when something was appended or a group's membership changed, over LISTEN/NOTIFY. It only
// saves waiting: every reader also polls, so a lost notification costs time and nothing else.
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Logger } from 'pino';
import { Listener as ChannelListener } from '../../postgres/listener.ts';

/** Null: the membership of some group changed. */
type Listener = (partitions: readonly number[] | null) => void;

const MEMBERS = 'members';
/** Appends within this time share a notification. */
const notifyDelayMs = 5;

export class Notifications {
  private readonly pool: pg.Pool;
  private readonly logger: Logger;
  private readonly channel: string;
  private readonly listeners = new Set<Listener>();
  private readonly appendedTo = new Set<number>();
  private readonly connection: ChannelListener;
  private notifyTimer: NodeJS.Timeout | null = null;
  private sending: Promise<unknown> = Promise.resolve();
  private closed = false;

  constructor(pool: pg.Pool, topic: string, logger: Logger) {
    this.pool = pool;
    this.logger = logger;
    // A channel's name is an identifier of at most 63 bytes; a topic's may be longer.
    this.channel = `tallyline_log_${createHash('sha256').update(topic).digest('hex').slice(0, 32)}`;
    this.connection = new ChannelListener(pool, this.channel, {
      onNotification: (payload) => this.dispatch(payload === MEMBERS ? null : payload.split(',').map(Number)),
      onLost: (error) => logger.warn({ err: error }, 'cannot listen for appends; polling until the connection is back'),
    });
  }

  /**
   * The backend of the connection that listens: it ends with this process, however that ends. Null while there is none.
   */
  get sessionPid(): number | null {
    return this.connection.sessionPid;
  }

  /** Calls `listener` until the returned function is called. The first listener opens the connection that listens. */
  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    this.connection.start();
    return () => this.listeners.delete(listener);
  }

  /**
   * Readers in this process are woken at once; those in others through the database, outside the transaction that
   * appended.
   */
  appended(partition: number): void {
    this.dispatch([partition]);
    if (this.closed) return;
    this.appendedTo.add(partition);
    this.notifyTimer ??= setTimeout(() => {
      this.notifyTimer = null;
      const partitions = [...this.appendedTo].join(',');
      this.appendedTo.clear();
      this.notify(partitions);
    }, notifyDelayMs);
  }

  membersChanged(): void {
    this.dispatch(null);
    if (!this.closed) this.notify(MEMBERS);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.listeners.clear();
    if (this.notifyTimer !== null) clearTimeout(this.notifyTimer);
    await this.sending;
    await this.connection.close();
  }

  private dispatch(partitions: readonly number[] | null): void {
    for (const listener of this.listeners) listener(partitions);
  }

  private notify(payload: string): void {
    this.sending = this.sending
      .then(() => this.pool.query('SELECT pg_notify($1, $2)', [this.channel, payload]))
      .catch((error: unknown) =>
        this.logger.debug({ err: error }, 'a notification was not sent; readers find the records by polling'),
      );
  }
}
