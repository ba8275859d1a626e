// The keyring of a process that serves HTTP: with connections of its own, so that no request is waited for behind the
// queries of others, and told by Postgres of every key that is made or revoked. Once a minute it writes down which keys
// were used, beside all requests.
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { Listener } from '../postgres/listener.ts';
import { createPool, deadlined } from '../postgres/pool.ts';
import type { KeyUse } from './key-uses.ts';
import { createKeyring, type Keyring } from './keyring.ts';

/** Sent by a trigger of tallyline.api_keys with the key's hash in hex. */
const CHANNEL = 'tallyline_api_keys';
const HASH = /^[0-9a-f]{64}$/;
/** One that listens, one that asks, one that writes. */
const CONNECTIONS = 3;
const WRITE_INTERVAL_MS = 60_000;
const WRITE_TIMEOUT_MS = 3_000;
/** Keys of a statement. */
const WRITTEN_MAX = 1_000;

export interface LiveKeyring extends Keyring {
  close(): Promise<void>;
}

/** What it does not write in its time is left: each key is written again when it is used again. */
export async function writeKeyUses(pool: Pick<Pool, 'query'>, uses: readonly KeyUse[], now: number): Promise<void> {
  for (let first = 0; first < uses.length; first += WRITTEN_MAX) {
    const some = uses.slice(first, first + WRITTEN_MAX);
    const [ids, ages] = [some.map(({ keyId }) => keyId), some.map(({ at }) => Math.max(0, now - at))];
    await pool.query(deadlined(WRITE_TIMEOUT_MS, 'SELECT tallyline.note_key_uses($1, $2)', [ids, ages]));
  }
}

/** `clock` in milliseconds since the epoch. Connects when it is opened, and again whenever the connection is lost. */
export function openKeyring(
  postgresUrl: string,
  clock: () => number,
  logger: Logger,
  { writeIntervalMs = WRITE_INTERVAL_MS } = {},
): LiveKeyring {
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
  const write = (): Promise<void> =>
    writeKeyUses(pool, keyring.takeUses(), clock()).catch((err) =>
      logger.warn({ err }, 'when API keys were used last was not written down'),
    );
  const closing = new AbortController();
  const { signal } = closing;
  const writeFromTimeToTime = async (): Promise<void> => {
    while (!signal.aborted) {
      await delay(writeIntervalMs, undefined, { signal, ref: false }).catch(() => {});
      await write();
    }
  };
  const written = writeFromTimeToTime();
  return {
    authenticate: keyring.authenticate,
    close: async () => {
      closing.abort();
      // The last one is written after the abort.
      await written;
      await listener.close();
      await pool.end();
    },
  };
}
