// A key that was revoked is refused within 15 s, whatever strangers do meanwhile: 160 connections send made-up keys as
// fast as the gateway answers. The gateway is a process of its own, on a real Postgres.
import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createApiKey, revokeApiKey } from '../../platform/access/api-key-store.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { type StageProcesses, startStores } from '../support/processes/stage-processes.ts';
import { until } from '../support/until.ts';

const CONNECTIONS = 160;
const REVOKED_WITHIN_MS = 15_000;

let processes: StageProcesses;
let pool: pg.Pool;
let port: number;
const agent = new Agent({ keepAlive: true, maxSockets: 2 * CONNECTIONS });

beforeAll(async () => {
  processes = await startStores();
  pool = new pg.Pool({ connectionString: processes.postgres.url });
  await processes.tallyline('migrate');
  await processes.tallyline('catalog', 'apply', projectFile('deploy/catalogs/ai-api.yaml'));
  const { url } = await processes.startReady('ingest');
  port = Number(new URL(url).port);
}, 300_000);

afterAll(async () => {
  agent.destroy();
  await pool?.end();
  await processes?.stop();
});

let sent = 0;
/** The status of one event that is sent with a key. `from`: the loopback address of the client. */
function send(key: string, from: string): Promise<number> {
  const body = JSON.stringify({ id: `evt-${sent++}`, type: 'ping', subject: 'cus_1' });
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const options = { agent, host: '127.0.0.1', localAddress: from, port, method: 'POST', path: '/v1/events', headers };
    const call = request(options, (response) => {
      response.resume().on('end', () => resolve(response.statusCode!));
    });
    call.on('error', reject).end(body);
  });
}

/**
 * Strangers, a few addresses of them, from when it is called to when the returned function is; that resolves to their
 * answers.
 */
function knock(): () => Promise<Map<number, number>> {
  const answers = new Map<number, number>();
  let isOver = false;
  const strangers = Array.from({ length: CONNECTIONS }, async (_, stranger) => {
    for (let attempt = 0; !isOver; attempt++) {
      const status = await send(`made-up-${stranger}-${attempt}`, `127.0.0.${2 + (stranger % 8)}`);
      answers.set(status, (answers.get(status) ?? 0) + 1);
    }
  });
  return async () => {
    isOver = true;
    await Promise.all(strangers);
    return answers;
  };
}

describe('a key that is revoked while strangers knock', () => {
  it.each([
    ['Postgres tells of it', 2_000, async () => {}],
    [
      'nobody tells of it',
      REVOKED_WITHIN_MS,
      () => pool.query('ALTER TABLE tallyline.api_keys DISABLE TRIGGER notify_api_key'),
    ],
  ])(
    'is refused in time where %s',
    async (_, withinMs, prepare) => {
      await prepare();
      const { id, key } = await createApiKey(pool, { tenant: 'acme', actor: 'cli:test' }, 'to be revoked');
      const { key: other } = await createApiKey(pool, { tenant: 'acme', actor: 'cli:test' }, 'stays');
      expect([await send(key, '127.0.0.1'), await send(other, '127.0.0.1')]).toEqual([200, 200]);
      const leave = knock();
      try {
        // The flood is there, and the key goes on in it.
        for (let request = 0; request < 50; request++) expect(await send(key, '127.0.0.1')).toBe(200);
        await revokeApiKey(pool, 'cli:test', id);
        await until(async () => (await send(key, '127.0.0.1')) === 403, 'the revoked key is refused', withinMs, 10);
        for (let request = 0; request < 20; request++) {
          expect([await send(key, '127.0.0.1'), await send(other, '127.0.0.1')]).toEqual([403, 200]);
        }
      } finally {
        const answers = await leave();
        expect(answers.get(401)).toBeGreaterThan(0);
        expect(answers.get(429)).toBeGreaterThan(0);
        expect([...answers.keys()].filter((status) => status >= 500)).toEqual([]);
      }
    },
    300_000,
  );
});
