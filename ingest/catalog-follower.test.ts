import { afterEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { type CatalogVersion, emptyCatalog } from '../domain/catalog/catalog.ts';
import { NEWEST_RULE_SET } from '../domain/metering/rule-set.ts';
import { until } from '../test/support/until.ts';
import { type CatalogFollower, followCatalog } from './catalog-follower.ts';

const version = (number: number, eventType: string): CatalogVersion => ({
  version: number,
  effectiveAt: 0,
  catalog: {
    ...emptyCatalog,
    meters: [
      {
        slug: 'calls',
        eventType,
        aggregation: 'count',
        valuePath: null,
        required: false,
        dimensions: [],
        window: '1h',
      },
    ],
  },
});

let follower: CatalogFollower | undefined;
afterEach(() => follower?.stop());

function setUp(first: CatalogVersion | null | Error) {
  const store = { answer: first, reads: 0 };
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line).msg) });
  const followed = followCatalog(
    async () => {
      store.reads++;
      if (store.answer instanceof Error) throw store.answer;
      return store.answer;
    },
    async () => NEWEST_RULE_SET,
    logger,
    1,
  );
  follower = followed;
  return { store, lines, checks: followed.checks };
}

describe('followCatalog', () => {
  it('has no checks before the first read', async () => {
    const { store, checks } = setUp(new Error('away'));
    await until(() => store.reads > 2, 'some reads failed');
    expect(checks()).toBeNull();
    store.answer = version(1, 'a');
    await until(() => checks() !== null, 'the first read');
    expect([...checks()!.keys()]).toEqual(['a']);
  });

  it('has no meters where no catalog was published', async () => {
    const { checks } = setUp(null);
    await until(() => checks() !== null, 'the first read');
    expect(checks()!.size).toBe(0);
  });

  it('compiles a version once, and the next when it comes', async () => {
    const { store, checks } = setUp(version(1, 'a'));
    await until(() => checks() !== null, 'the first read');
    const first = checks();
    const { reads } = store;
    await until(() => store.reads > reads + 2, 'more reads');
    expect(checks()).toBe(first);
    store.answer = version(2, 'b');
    await until(() => checks() !== first, 'the second version');
    expect([...checks()!.keys()]).toEqual(['b']);
  });

  it('keeps the last version while Postgres is away, and says so once', async () => {
    const { store, lines, checks } = setUp(version(1, 'a'));
    await until(() => checks() !== null, 'the first read');
    const last = checks();
    store.answer = new Error('away');
    const { reads } = store;
    await until(() => store.reads > reads + 5, 'several reads failed');
    expect(checks()).toBe(last);
    store.answer = version(1, 'a');
    await until(() => lines.length === 3, 'it is back');
    expect(lines).toEqual([
      'catalog in force at the gateway',
      'the catalog cannot be read; the last version stays',
      'the catalog can be read again',
    ]);
  });
});
