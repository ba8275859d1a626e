import { afterEach, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { Registry } from 'prom-client';
import { until } from '../../test/support/until.ts';
import { type StoreProbe, StoreWatch } from './store-watch.ts';

const logger = pino({ level: 'silent' });
let watch: StoreWatch | null = null;
afterEach(() => watch?.stop());

const start = (...probes: StoreProbe[]): StoreWatch => {
  watch = new StoreWatch(probes, new Registry(), logger, { intervalMs: 5, timeoutMs: 50 });
  return watch;
};
const probe = (store: StoreProbe['store'], ask: () => Promise<unknown>): StoreProbe => ({
  ...{ store, ask, close: async () => {} },
});

describe('the watch over the stores', () => {
  it('tells a store that hangs from one that answers, and when it is back', async () => {
    let hangs = false;
    const stores = start(
      probe('Postgres', async () => {
        if (hangs) await new Promise(() => {});
      }),
      probe('ClickHouse', async () => 1),
    );
    expect(stores.fault('Postgres')).toMatch(/not asked yet/);
    await until(() => stores.fault('Postgres') === null && stores.fault('ClickHouse') === null, 'both answer');
    hangs = true;
    await until(() => stores.fault('Postgres') !== null, 'the silence is known');
    expect(stores.fault('Postgres')).toBe('Postgres does not answer: it was silent for 50 ms');
    expect(stores.fault('ClickHouse')).toBeNull();
    hangs = false;
    await until(() => stores.fault('Postgres') === null, 'it is back');
  });

  it('says why a store can’t be asked, and nothing of one that it does not know', async () => {
    const stores = start(probe('the event log', () => Promise.reject(new Error('connect ECONNREFUSED'))));
    await until(() => /ECONNREFUSED/.test(stores.fault('the event log') ?? ''), 'the reason is known');
    expect(stores.fault('Postgres')).toBeNull();
  });

  it('closes what it asked on', async () => {
    let closed = 0;
    const close = async (): Promise<void> => void closed++;
    await start({ store: 'Postgres', ask: async () => 1, close }).stop();
    expect(closed).toBe(1);
  });
});
