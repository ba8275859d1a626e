// The catalogs of a run: every aggregation and price model, prices that change, meters that come and go, filters and
// values that are sums, subjects that change their plan.
import type { Catalog, Meter, Plan, Subscription } from '../../domain/catalog/catalog.ts';
import { isUsagePrice } from '../../domain/pricing/prices.ts';
import type { Tier } from '../../domain/pricing/tiers.ts';
import type { Random } from '../../domain/random.ts';
import { type CatalogChange, DAY, ENDS_AT, HOUR, STARTS_AT } from './plan.ts';

const meterOf = (
  slug: string,
  eventType: string,
  aggregation: Meter['aggregation'],
  value: string | null,
  window: Meter['window'],
  dimensions: readonly string[] = [],
): Meter => ({
  slug,
  eventType,
  aggregation,
  valuePath: value === null ? null : [value],
  required: false,
  dimensions: dimensions.map((name) => ({ name, path: [name] })),
  window,
});

const METERS: readonly Meter[] = [
  meterOf('calls', 'call', 'count', null, '1h'),
  meterOf('tokens', 'call', 'sum', 'n', '1h', ['model']),
  meterOf('peak', 'gauge', 'max', 'v', '1d'),
  meterOf('low', 'gauge', 'min', 'v', '1h'),
  meterOf('level', 'gauge', 'latest', 'v', '1h', ['model']),
  meterOf('users', 'login', 'unique', 'user', '1d'),
];
const CACHED: Meter = { ...meterOf('cached', 'call', 'sum', 'c', '15m'), unreadable: 'skip' };

/** A value that is a sum, and filters: what only later releases know. */
const CALCULATED: readonly Meter[] = [
  {
    ...meterOf('fresh', 'call', 'sum', null, '1h', ['model']),
    addends: [
      { path: ['n'], factor: '1' },
      { path: ['c'], factor: '-0.5' },
    ],
    where: [{ path: ['model'], isNot: true, values: ['', 'b', '30'] }],
  },
  {
    ...meterOf('of_a', 'call', 'sum', 'n', '15m'),
    required: true,
    unreadable: 'skip',
    where: [{ path: ['model'], isNot: false, values: ['0.5', '30', 'a'] }],
  },
  {
    ...meterOf('logins_of_b', 'login', 'count', null, '1h'),
    where: [{ path: ['model'], isNot: false, values: ['b'] }],
  },
];

/** The same in quarters of an hour, which line items put together to what would be a window else. */
const inQuarters = (meter: Meter): Meter =>
  meter.window === '15m' ? meter : { ...meter, window: '15m', itemWidth: meter.window };

function plansOf(random: Random, timezone: string): Plan[] {
  const amount = (): string => `0.${String(random.int(1, 999)).padStart(3, '0')}`;
  const tiersOf = (): Tier[] => [
    { upTo: String(random.int(50, 500)), unitAmount: amount(), flatAmount: random.pick(['0', '2']) },
    { upTo: String(random.int(1_000, 9_000)), unitAmount: amount(), flatAmount: '0' },
    { upTo: null, unitAmount: amount(), flatAmount: random.pick(['0', '5']) },
  ];
  return [
    {
      slug: 'basic',
      billingPeriod: 'month',
      calendar: true,
      timezone,
      prices: [
        { slug: 'calls', model: 'per_unit', meter: 'calls', match: {}, unitAmount: amount() },
        { slug: 'tokens-a', model: 'graduated', meter: 'tokens', match: { model: 'a' }, tiers: tiersOf() },
        { slug: 'tokens', model: 'volume', meter: 'tokens', match: {}, tiers: tiersOf() },
        { slug: 'base', model: 'flat', flatAmount: `${random.int(5, 50)}.00` },
      ],
    },
    {
      slug: 'pro',
      billingPeriod: 'month',
      calendar: false,
      timezone: 'UTC',
      prices: [
        { slug: 'peak', model: 'package', meter: 'peak', match: {}, packageSize: '100', packageAmount: amount() },
        { slug: 'low', model: 'per_unit', meter: 'low', match: {}, unitAmount: amount() },
        { slug: 'level', model: 'per_unit', meter: 'level', match: { model: 'b' }, unitAmount: amount() },
        { slug: 'users', model: 'graduated', meter: 'users', match: {}, tiers: tiersOf() },
        { slug: 'calls', model: 'volume', meter: 'calls', match: {}, tiers: tiersOf() },
        { slug: 'fee', model: 'flat', flatAmount: `${random.int(5, 50)}.50` },
      ],
    },
  ];
}

const midnight = (time: number): number => Math.floor(time / DAY) * DAY;

export function catalogsOf(random: Random): CatalogChange[] {
  // In half of the runs, and by a stream of its own: periods begin and end at any quarter of an hour.
  const items = random.fork('items');
  const isQuartered = items.chance(0.5);
  const timezone = isQuartered ? 'Asia/Kolkata' : 'UTC';
  // Likewise: how the subjects of a customer are put together.
  const across = random.fork('across');
  const joined = (meter: Meter): Meter => {
    if (!across.chance(0.5)) return meter;
    if (meter.aggregation === 'unique') return { ...meter, across: 'sum' };
    return meter.aggregation === 'sum' || meter.aggregation === 'count' ? meter : { ...meter, across: 'max' };
  };
  const perSubject = ['tokens-a', 'users', 'level', 'calls'].filter(() => across.chance(0.3));
  const plans = (): Plan[] =>
    plansOf(random, timezone).map((plan) => ({
      ...plan,
      prices: plan.prices.map((price) =>
        isUsagePrice(price) && perSubject.includes(price.slug) ? { ...price, per: 'subject' as const } : price,
      ),
    }));
  const subscribed = (subject: string, plan: string, day: number, tenant: string | null): Subscription => ({
    subject,
    plan,
    startsAt: midnight(STARTS_AT) + day * DAY + (isQuartered ? (items.int(0, 95) * HOUR) / 4 : 0),
    tenant,
  });
  const subscriptions: Subscription[] = [
    subscribed('cus_1', 'pro', -random.int(0, 40), null),
    subscribed('cus_2', 'pro', random.int(-28, 4), 'acme'),
    subscribed('cus_3', 'basic', -70, null),
    subscribed('cus_3', 'pro', random.int(0, 6), null),
  ];
  const first: Catalog = {
    currency: 'USD',
    meters: (isQuartered ? METERS.map(inQuarters) : METERS).map(joined),
    plans: plans(),
    subscriptions,
    defaultPlan: 'basic',
  };
  const catalogs = [first];
  const last = (): Catalog => catalogs.at(-1)!;
  const steps: (() => Catalog)[] = [
    () => ({ ...last(), plans: plans() }),
    () => ({ ...last(), meters: [...last().meters, CACHED] }),
    () => ({
      ...last(),
      meters: last().meters.map((meter) => (meter.slug === 'tokens' ? { ...meter, required: true } : meter)),
    }),
    () => ({
      ...last(),
      subscriptions: [
        ...last().subscriptions,
        subscribed('cus_4', 'pro', random.int(1, 5), random.pick([null, 'globex'])),
      ],
    }),
    () => ({ ...last(), plans: plans() }),
  ];
  for (const step of steps) if (random.chance(0.8)) catalogs.push(step());
  // From one of the changes on, by a stream of its own.
  const from = random.fork('calculated').int(1, catalogs.length);
  for (let i = from; i < catalogs.length; i++) {
    catalogs[i] = { ...catalogs[i]!, meters: [...catalogs[i]!.meters, ...CALCULATED] };
  }
  const times = catalogs.slice(1).map(() => random.int(STARTS_AT + 2 * HOUR, ENDS_AT - 12 * HOUR));
  times.sort((a, b) => a - b);
  return catalogs.map((catalog, i) => ({ at: i === 0 ? STARTS_AT : times[i - 1]!, catalog }));
}
