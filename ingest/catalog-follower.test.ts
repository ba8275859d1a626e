import { afterEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { type CatalogVersion, emptyCatalog } from '../domain/catalog/catalog.ts';
import { TenantVersions } from '../domain/catalog/tenant-versions.ts';
import { NEWEST_RULE_SET } from '../domain/metering/rule-set.ts';
import { aMeter } from '../test/support/a-meter.ts';
import { metersInMemory } from '../test/support/stored-meters.ts';
import { until } from '../test/support/until.ts';
import { type CatalogFollower, followCatalog } from './catalog-follower.ts';

/** A catalog whose one meter reads events of a type. */
const version = (number: number, eventType: string): CatalogVersion => ({
  version: number,
  effectiveAt: 0,
  catalog: { ...emptyCatalog, meters: [aMeter('calls', { eventType, aggregation: 'count', valuePath: null })] },
});

const versions = (defaults: readonly CatalogVersion[], own: Readonly<Record<string, CatalogVersion[]>> = {}) =>
  new TenantVersions(defaults, new Map(Object.entries(own)));

let follower: CatalogFollower | undefined;
afterEach(() => follower?.stop());

function setUp(first: TenantVersions | Error, tenantsMax = 10) {
  const store = { answer: first, ruleSet: NEWEST_RULE_SET, rounds: 0, read: [] as number[], hold: Promise.resolve() };
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line).msg) });
  const stored = metersInMemory(() => {
    if (store.answer instanceof Error) throw store.answer;
    return store.answer;
  });
  const followed = followCatalog(
    {
      ...stored,
      publishedVersion() {
        store.rounds++;
        return stored.publishedVersion();
      },
      async metersOf(numbers) {
        store.read.push(...numbers);
        const found = await stored.metersOf(numbers);
        await store.hold;
        return found;
      },
    },
    async () => store.ruleSet,
    logger,
    { intervalMs: 1, tenantsMax },
  );
  follower = followed;
  const rounds = async (): Promise<void> => {
    const { rounds } = store;
    await until(() => store.rounds > rounds + 2, 'it has looked again');
  };
  /** The types of events that a tenant's checks read. */
  const typesOf = async (tenant: string): Promise<string[]> => [...(await followed.checksOf(tenant))!.keys()];
  return { store, lines, follower: followed, rounds, typesOf };
}

describe('followCatalog', () => {
  it('has no checks before the first read', async () => {
    const { store, follower, rounds, typesOf } = setUp(new Error('away'));
    await rounds();
    expect([follower.isReady(), follower.checksOf('t')]).toEqual([false, null]);
    store.answer = versions([version(1, 'a')]);
    await until(() => follower.isReady(), 'the first read');
    expect(await typesOf('t')).toEqual(['a']);
  });

  it('has no meters where no catalog was published', async () => {
    const { follower, typesOf } = setUp(versions([]));
    await until(() => follower.isReady(), 'the first read');
    expect(await typesOf('t')).toEqual([]);
  });

  it('compiles a version once, and the next when it comes', async () => {
    const { store, follower, rounds, typesOf } = setUp(versions([version(1, 'a')]));
    await until(() => follower.isReady(), 'the first read');
    const first = follower.checksOf('t');
    await rounds();
    expect(follower.checksOf('t')).toBe(first);
    store.answer = versions([version(1, 'a'), version(2, 'b')]);
    await until(() => follower.checksOf('t') !== first, 'the second version');
    expect(await typesOf('t')).toEqual(['b']);
    expect(store.read).toEqual([1, 2]);
  });

  it('keeps the last version while Postgres is away, and says so once', async () => {
    const { store, lines, follower, rounds } = setUp(versions([version(1, 'a')]));
    await until(() => follower.isReady(), 'the first read');
    const last = follower.checksOf('t');
    store.answer = new Error('away');
    await rounds();
    expect(follower.checksOf('t')).toBe(last);
    store.answer = versions([version(1, 'a')]);
    await until(() => lines.length === 3, 'it is back');
    expect(lines).toEqual([
      'catalog in force at the gateway',
      'the catalog cannot be read; the last version stays',
      'the catalog can be read again',
    ]);
  });
});

describe('a tenant with a catalog of its own', () => {
  it('is checked by it from its first request on, and is read once', async () => {
    const { store, follower, typesOf } = setUp(versions([version(1, 'a')], { t: [version(2, 'own')] }));
    await until(() => follower.isReady(), 'the first read');
    expect(await Promise.all([typesOf('t'), typesOf('t'), typesOf('u')])).toEqual([['own'], ['own'], ['a']]);
    expect(follower.checksOf('t')).not.toBeInstanceOf(Promise);
    expect(store.read).toEqual([1, 2]);
  });

  it('is checked by its next version without a request that waits, and not by that of another', async () => {
    const { store, follower, typesOf } = setUp(versions([], { t: [version(1, 'own')], u: [version(2, 'other')] }));
    await until(() => follower.isReady(), 'the first read');
    await Promise.all([typesOf('t'), typesOf('u')]);
    const [ofT, ofU] = [follower.checksOf('t'), follower.checksOf('u')];
    store.answer = versions([version(4, 'a')], {
      t: [version(1, 'own'), version(3, 'next')],
      u: [version(2, 'other')],
    });
    await until(() => follower.checksOf('t') !== ofT, 'the next version');
    expect(follower.checksOf('t')).not.toBeInstanceOf(Promise);
    expect([follower.checksOf('u') === ofU, await typesOf('t'), await typesOf('x')]).toEqual([true, ['next'], ['a']]);
  });

  it('keeps what was read last while Postgres is away, and is refused where nothing was', async () => {
    const { store, follower, typesOf } = setUp(versions([], { t: [version(1, 'own')], u: [version(2, 'other')] }));
    await until(() => follower.isReady(), 'the first read');
    expect(await typesOf('t')).toEqual(['own']);
    store.answer = new Error('away');
    expect(await typesOf('t')).toEqual(['own']);
    await expect(follower.checksOf('u')).rejects.toThrow('away');
    store.answer = versions([], { t: [version(1, 'own')], u: [version(2, 'other')] });
    expect(await typesOf('u')).toEqual(['other']);
  });

  it('is not left with a version that was read while the next one came', async () => {
    const { store, follower, typesOf } = setUp(versions([], { t: [version(1, 'own')] }));
    await until(() => follower.isReady(), 'the first read');
    let goOn = (): void => {};
    store.hold = new Promise((resolve) => {
      goOn = resolve;
    });
    const asked = typesOf('t');
    await until(() => store.read.length === 1, 'it is being read');
    store.answer = versions([], { t: [version(1, 'own'), version(2, 'next')] });
    await until(() => follower.isReady() && store.rounds > 3, 'the next one was met');
    goOn();
    await asked;
    await until(async () => (await typesOf('t'))[0] === 'next', 'the next version');
  });

  it('is forgotten where many others came since', async () => {
    const own = { t: [version(1, 'own')], u: [version(2, 'own')], v: [version(3, 'own')] };
    const { store, follower, typesOf } = setUp(versions([], own), 2);
    await until(() => follower.isReady(), 'the first read');
    for (const tenant of ['t', 'u', 't', 'v', 't', 'u']) await typesOf(tenant);
    expect(store.read).toEqual([1, 2, 3, 2]);
  });

  it('is checked by the rule set in force', async () => {
    const { store, follower, typesOf } = setUp(versions([], { t: [version(1, 'own')] }));
    await until(() => follower.isReady(), 'the first read');
    await typesOf('t');
    const before = follower.checksOf('t');
    store.ruleSet = 1;
    await until(() => follower.checksOf('t') !== before, 'the other rule set');
    expect(follower.checksOf('t')).not.toBeInstanceOf(Promise);
  });
});
