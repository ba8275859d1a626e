// The keyring of a process that serves HTTP: with connections of its own, so that no request is waited for behind the
// queries of others, and told by Postgres of every key that is made or revoked.
import type { Logger } from 'pino';
import { Listener } from '../postgres/listener.ts';
import { createPool } from '../postgres/pool.ts';
import { createKeyring, type Keyring } from './keyring.ts';

/** Sent by a trigger of tallyline.api_keys with the key's hash in hex. */
const CHANNEL = 'tallyline_api_keys';
const HASH = /^[0-9a-f]{64}$/;
/** One that listens, one that asks. */
const CONNECTIONS = 2;

export interface LiveKeyring extends Keyring {
  close(): Promise<void>;
}

/** `clock` in milliseconds since the epoch. Connects when it is opened, and again whenever the connection is lost. */
export function openKeyring(postgresUrl: string, clock: () => number, logger: Logger): LiveKeyring {
  const pool = createPool(postgresUrl, logger, { applicationName: 'tallyline keys', connectionsMax: CONNECTIONS });
  const keyring = createKeyring(pool, clock);
  const listener = new Listener(pool, CHANNEL, {
    onNotification: (payload) => keyring.changed(HASH.test(payload) ? payload : null),
    // Changes may have been missed while nobody listened.
    onListening: () => keyring.changed(null),
    onLost: (error) =>
      logger.warn({ err: error }, 'not told of revoked API keys for now: they are refused within ten seconds'),
  });
  listener.start();
  return {
    authenticate: keyring.authenticate,
    close: async () => {
      await listener.close();
      await pool.end();
    },
  };
}
