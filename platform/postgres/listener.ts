// A connection that listens on one channel of LISTEN/NOTIFY, and connects again whenever it is lost. What was sent
// while there was none is lost: whoever listens learns through `onListening` that something may have been.
import type pg from 'pg';

export interface ListenerHandlers {
  onNotification(payload: string): void;
  /** From here on nothing is missed, until `onLost`. */
  onListening?(): void;
  /** The connection broke, or could not be made; it is tried again. */
  onLost(error: Error): void;
}

const RECONNECT_DELAY_MS = 1_000;

export class Listener {
  private readonly pool: pg.Pool;
  private readonly channel: string;
  private readonly handlers: ListenerHandlers;
  private client: pg.PoolClient | null = null;
  private pid: number | null = null;
  private connecting: Promise<void> | null = null;
  private reconnectTimer: NodeJS.Timeout | null = null;
  private isClosed = false;

  /** `channel` is an identifier of our own making: it can't be bound as a parameter. */
  constructor(pool: pg.Pool, channel: string, handlers: ListenerHandlers) {
    this.pool = pool;
    this.channel = channel;
    this.handlers = handlers;
  }

  /** The backend of the connection: it ends with this process, however that ends. Null while there is none. */
  get sessionPid(): number | null {
    return this.client === null ? null : this.pid;
  }

  /** Connects, unless it has or is about to. */
  start(): void {
    if (this.isClosed || this.client !== null || this.connecting !== null || this.reconnectTimer !== null) return;
    this.connecting = this.open()
      .catch((error: Error) => this.lose(error))
      .finally(() => {
        this.connecting = null;
      });
  }

  async close(): Promise<void> {
    this.isClosed = true;
    if (this.reconnectTimer !== null) clearTimeout(this.reconnectTimer);
    await this.connecting;
    this.client?.release(true);
    this.client = null;
  }

  private async open(): Promise<void> {
    const client = await this.pool.connect();
    client.on('error', (error: Error) => {
      // Before LISTEN is done the query rejects as well, and after a release the client is nobody's.
      if (this.client !== client) return;
      this.client = null;
      client.release(error);
      this.lose(error);
    });
    client.on('notification', ({ payload = '' }) => this.handlers.onNotification(payload));
    try {
      await client.query(`LISTEN ${this.channel}`);
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      this.pid = rows[0]!.pid;
    } catch (error) {
      client.release(true);
      throw error;
    }
    this.client = client;
    this.handlers.onListening?.();
  }

  private lose(error: Error): void {
    if (this.isClosed) return;
    this.handlers.onLost(error);
    this.reconnectTimer = setTimeout(() => {
      this.reconnectTimer = null;
      this.start();
    }, RECONNECT_DELAY_MS);
    this.reconnectTimer.unref();
  }
}
