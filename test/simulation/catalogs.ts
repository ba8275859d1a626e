// The catalogs of a run: every aggregation, prices of several models that change, come and go, at once, later or with
// each subscription's next period, meters that come, filters and values that are sums; and meters that change what they
// read, and get dimensions.
import { type Catalog, emptyCatalog, type Meter, type Plan, type Price } from '../../domain/catalog/catalog.ts';
import type { Tier } from '../../domain/pricing/tiers/tiers.ts';
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
  meterOf('mean', 'gauge', 'avg', 'v', '1h', ['model']),
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

/** A dimension of a meter that had none of the name. By name it comes before the others. */
const withBatch = (meter: Meter, path: string): Meter =>
  meter.dimensions.some(({ name }) => name === 'batch')
    ? meter
    : { ...meter, dimensions: [{ name: 'batch', path: [path] }, ...meter.dimensions] };

const changedMeter = (catalog: Catalog, slug: string, change: (meter: Meter) => Meter): Catalog => ({
  ...catalog,
  meters: catalog.meters.map((meter) => (meter.slug === slug ? change(meter) : meter)),
});

/** Only of usage that has no batch: so of all usage of before there were any. */
const withoutBatch = (catalog: Catalog, slugs: readonly string[]): Catalog => ({
  ...catalog,
  plans: catalog.plans.map((plan) => ({
    ...plan,
    prices: plan.prices.map((price) =>
      slugs.includes(price.slug) && 'match' in price ? { ...price, match: { ...price.match, batch: '' } } : price,
    ),
  })),
});

/** How a meter may change under its slug. Each may be done again: it changes nothing then. */
const METER_CHANGES: readonly ((catalog: Catalog) => Catalog)[] = [
  (catalog) => changedMeter(catalog, 'tokens', (meter) => ({ ...meter, valuePath: ['c'] })),
  (catalog) => changedMeter(catalog, 'calls', (meter) => ({ ...meter, eventType: 'login' })),
  (catalog) => changedMeter(catalog, 'users', (meter) => ({ ...meter, valuePath: ['model'] })),
  (catalog) =>
    changedMeter(catalog, 'low', (meter) => ({ ...meter, where: [{ path: ['model'], isNot: true, values: ['b'] }] })),
  (catalog) =>
    withoutBatch(
      changedMeter(catalog, 'tokens', (meter) => withBatch(meter, 'c')),
      ['tokens-a'],
    ),
  (catalog) =>
    withoutBatch(
      changedMeter(catalog, 'level', (meter) => withBatch(meter, 'c')),
      ['level', 'level-extra'],
    ),
  (catalog) => changedMeter(catalog, 'users', (meter) => withBatch(meter, 'c')),
];

/** What a run's prices have in common, whatever version they are of. */
interface Choices {
  /** By plan. */
  readonly every: Readonly<Record<string, { readonly days: number }>>;
  /** By slug. */
  readonly fees: Readonly<Record<string, object>>;
  readonly afterEnd: Readonly<Record<string, Plan['afterEnd']>>;
  readonly trialUsage: Plan['trialUsage'];
  /** Slugs that are charged for each subject. */
  readonly perSubject: readonly string[];
  /** Whether some prices take what others leave. */
  readonly hasOtherwise: boolean;
  /** Whether some have several quantities, or something around them. */
  readonly hasSeveral: boolean;
  /** Whether some prices, and plans, have a minimum. */
  readonly hasMinimums: boolean;
  /** Slugs that begin anew with each term, or are shared. */
  readonly restarting: readonly string[];
  readonly shared: readonly string[];
}

const PLANS = ['basic', 'pro', 'team', 'extra'] as const;

function choicesOf(random: Random, hasOtherwise: boolean): Choices {
  const hasSeveral = random.fork('several').chance(0.5);
  const hasMinimums = random.fork('minimums').chance(0.5);
  const usual = { days: random.pick([1, 2, 2, 3]) };
  const byPlan = <Value>(value: () => Value) => Object.fromEntries(PLANS.map((plan) => [plan, value()]));
  return {
    every: byPlan(() => (random.once(4) ? { days: random.int(1, 3) } : usual)),
    fees: Object.fromEntries(
      ['base', 'seats', 'plus'].map((slug) => [
        slug,
        {
          ...(random.once(4) && { proration: random.pick(['day', 'none']) }),
          ...(random.once(4) && { charge: 'in_arrears' }),
        },
      ]),
    ),
    afterEnd: byPlan(() => random.pick(['none', 'default', 'default'] as const)),
    trialUsage: random.pick(['charged', 'free']),
    hasOtherwise,
    hasSeveral,
    hasMinimums,
    perSubject: ['tokens-a', 'users', 'level', 'calls', 'mean'].filter(() => random.chance(0.3)),
    restarting: ['tokens', 'users', 'peak', 'mean'].filter(() => random.chance(0.1)),
    shared: ['calls', 'tokens'].filter(() => random.chance(0.2)),
  };
}

/** Prices that share a slug between plans are of several models, so that terms of different kinds meet. */
function plansOf(random: Random, choices: Choices): Plan[] {
  const amount = (): string => `0.${String(random.int(1, 999)).padStart(3, '0')}`;
  const tiersOf = (flatAmounts: readonly string[]): Tier[] => [
    { upTo: String(random.int(50, 500)), unitAmount: amount(), flatAmount: random.pick(flatAmounts) },
    { upTo: String(random.int(1_000, 9_000)), unitAmount: amount(), flatAmount: '0' },
    { upTo: null, unitAmount: amount(), flatAmount: random.pick(flatAmounts) },
  ];
  const flat = (slug: string, more: object = {}): Price => ({
    ...{ slug, model: 'flat', flatAmount: `${random.int(5, 50)}.${random.pick(['00', '50', '125'])}` },
    ...choices.fees[slug],
    ...more,
  });
  const tokensOfA = { slug: 'tokens-a', meter: 'tokens', match: { model: 'a' } };
  const tokens = { slug: 'tokens', meter: 'tokens', match: {} };
  const calls = { slug: 'calls', meter: 'calls', match: {} };
  const users = { slug: 'users', meter: 'users', match: {} };
  const level = { slug: 'level', meter: 'level', match: { model: 'b' } };
  const ofMean = random.fork('mean');
  const mean = (): Price => ({
    ...{ slug: 'mean', meter: 'mean', match: ofMean.once(2) ? {} : { model: 'a' } },
    ...{ model: 'per_unit', unitAmount: `0.${String(ofMean.int(1, 999)).padStart(3, '0')}` },
  });
  const ordinary: Readonly<Record<string, readonly Price[]>> = {
    basic: [
      { ...calls, model: 'per_unit', unitAmount: amount() },
      { ...tokensOfA, model: 'graduated', tiers: tiersOf(['0', '2']) },
      { ...tokens, model: 'volume', tiers: tiersOf(['0', '5']) },
      flat('base'),
    ],
    pro: [
      { slug: 'peak', model: 'package', meter: 'peak', match: {}, packageSize: '100', packageAmount: amount() },
      { ...level, model: 'per_unit', unitAmount: amount() },
      { ...users, model: 'graduated', tiers: tiersOf(['0', '2']) },
      { ...calls, model: 'volume', tiers: tiersOf(['0', '5']) },
      { ...tokens, model: 'graduated', tiers: tiersOf(['0']) },
      flat('base'),
      flat('seats', { quantity: 'seats' }),
      mean(),
    ],
    team: [
      { ...calls, model: 'graduated', tiers: tiersOf(['0']) },
      { ...tokens, model: 'per_unit', unitAmount: amount() },
      { slug: 'peak', model: 'per_unit', meter: 'peak', match: {}, unitAmount: amount() },
      { ...users, model: 'per_unit', unitAmount: amount() },
      flat('base'),
      mean(),
    ],
    extra: [
      { slug: 'low', model: 'per_unit', meter: 'low', match: {}, unitAmount: amount() },
      // Beside whatever the plan has that it is added to, and prices that take what others leave.
      { ...tokensOfA, slug: 'surcharge', overlap: true, model: 'graduated', tiers: tiersOf(['0', '1']) },
      flat('plus'),
    ],
  };
  const taking = choices.hasOtherwise ? withOtherwise(random.fork('otherwise'), ordinary) : ordinary;
  const several = choices.hasSeveral ? withSeveral(random.fork('several'), taking) : taking;
  const least = choices.hasMinimums ? random.fork('minimums') : null;
  const prices = least === null ? several : withMinimums(least, several, choices.perSubject);
  return PLANS.map((slug) => ({
    ...{ slug, billingPeriod: 'month', calendar: slug === 'basic', timezone: 'UTC' },
    ...{ afterEnd: choices.afterEnd[slug]!, trialUsage: choices.trialUsage! },
    ...(least !== null &&
      BINDING.includes(slug) &&
      least.chance(0.7) && { minimum: { amount: `${least.int(20, 400)}.5`, every: choices.every[slug]! } }),
    prices: prices[slug]!.map(
      (price): Price => ({
        ...price,
        every: choices.every[slug]!,
        ...(choices.perSubject.includes(price.slug) && { per: 'subject' as const }),
        ...(choices.shared.includes(price.slug) && { onChange: 'share' as const }),
        ...(choices.restarting.includes(price.slug) && { onChange: 'restart' as const }),
      }),
    ),
  }));
}

/**
 * Prices that take what others leave: also of a meter that tells values apart, of a level, under a slug that is
 * ordinary in another plan, and beside what another subscription adds.
 */
function withOtherwise(random: Random, plans: Readonly<Record<string, readonly Price[]>>) {
  const amount = (): string => `0.${String(random.int(1, 999)).padStart(3, '0')}`;
  const rest = (slug: string, meter: string, more: object = {}): Price =>
    ({ slug, meter, match: {}, otherwise: true, model: 'per_unit', unitAmount: amount(), ...more }) as Price;
  const matching = (price: Price, match: object): Price => ({ ...price, match }) as Price;
  const tiers = [
    { upTo: '300', unitAmount: amount(), flatAmount: '0' },
    { upTo: null, unitAmount: amount(), flatAmount: '1' },
  ];
  const changed = Object.entries(plans).map(([plan, prices]) => {
    const own = prices.map((price) => {
      if (price.slug === 'users') return matching(price, { model: 'a' });
      return plan === 'basic' && price.slug === 'tokens' ? ({ ...price, otherwise: true } as Price) : price;
    });
    const added: Readonly<Record<string, Price[]>> = {
      basic: [rest('level-rest', 'level')],
      pro: [rest('level-rest', 'level'), rest('users-rest', 'users', { model: 'volume', tiers })],
      team: [rest('users-rest', 'users')],
      extra: [rest('level-extra', 'level', { otherwise: undefined, match: { model: 'a' } })],
    };
    return [plan, [...own, ...(added[plan] ?? [])]] as const;
  });
  return Object.fromEntries(changed);
}

/**
 * A matrix, whose cells come, go and change; a percentage with a fee by another meter; allowances, discounts that begin
 * and end, and a maximum.
 */
function withSeveral(random: Random, plans: Readonly<Record<string, readonly Price[]>>) {
  const amount = (): string => `0.${String(random.int(1, 999)).padStart(3, '0')}`;
  const included = () => ({
    included: { units: random.pick(['30', '200.5']), ...(random.once(3) && { proration: 'none' as const }) },
  });
  const cells = () =>
    ['a', 'b', '*', '30']
      .filter(() => random.chance(0.8))
      .map((value) => ({
        ...{ values: [value], model: 'per_unit', unitAmount: amount() },
        ...(random.once(3) && { model: 'package', packageSize: '100', packageAmount: amount(), unitAmount: undefined }),
        ...(random.once(3) && included()),
        ...(random.once(4) && { maximum: String(random.int(3, 30)) }),
      }))
      .map((cell) => Object.fromEntries(Object.entries(cell).filter(([, value]) => value !== undefined)));
  const from = new Date(STARTS_AT + random.int(1, 60) * HOUR).toISOString();
  const until = new Date(ENDS_AT - random.int(1, 60) * HOUR).toISOString();
  const discount = () =>
    random.pick<object>([
      { rate: '0.25', from, until },
      { rate: '0.5', from },
      { amount: '2', until },
      { units: '20', from },
    ]);
  const matrix = { slug: 'tokens', meter: 'tokens', match: {}, model: 'matrix', dimensions: ['model'] };
  // As a price book is read: the rates of each model that has some, in a bucket for tokens.
  const isByBook = random.fork('book').once(3);
  const ofModel = { meters: { input: 'tokens' }, dimensions: { model: 'model' } };
  const book = { slug: 'tokens', model: 'price_book', match: {}, books: ['list'], ...ofModel };
  const rates = () => ['a', 'b', '30'].map((value) => ({ values: [value], rates: { input: amount() } }));
  const changed = Object.entries(plans).map(([plan, prices]) => {
    const own = prices.map((price): Price => {
      if (plan === 'team' && price.slug === 'tokens' && isByBook)
        return { ...book, cells: rates() } as unknown as Price;
      if (plan === 'team' && price.slug === 'tokens') {
        const all = cells();
        return {
          ...{ ...matrix, cells: all.length > 0 ? all : [{ values: ['a'], model: 'per_unit', unitAmount: '1' }] },
          ...(random.once(3) && { discounts: [{ rate: '0.5', from, until }] }),
        } as unknown as Price;
      }
      if (plan === 'team' && price.slug === 'calls') {
        const fee = { meter: 'tokens', amount: amount(), ...(random.once(2) && included()) };
        return {
          slug: 'calls',
          meter: 'calls',
          match: {},
          model: 'percentage',
          rate: amount(),
          fee,
          ...included(),
        } as Price;
      }
      if (price.slug === 'calls') return { ...price, ...included(), discounts: [discount()] } as Price;
      if (price.slug === 'level') return { ...price, maximum: String(random.int(5, 50)) } as Price;
      if (price.slug === 'users' || price.slug === 'peak') return { ...price, included: { units: '2' } } as Price;
      return plan === 'pro' && price.slug === 'tokens'
        ? ({ ...price, discounts: [discount(), discount()] } as Price)
        : price;
    });
    return [plan, own] as const;
  });
  return Object.fromEntries(changed);
}

/** Plans that are never the default one: only a subscription has a minimum. */
const BINDING: readonly string[] = ['pro', 'extra'];

/** The least that some prices cost; what is charged for each subject, or has a fee by another meter, has none. */
function withMinimums(
  random: Random,
  plans: Readonly<Record<string, readonly Price[]>>,
  perSubject: readonly string[],
): Readonly<Record<string, readonly Price[]>> {
  const slugs = ['calls', 'tokens', 'users', 'peak', 'surcharge'].filter((slug) => !perSubject.includes(slug));
  const changed = Object.entries(plans).map(([plan, prices]) => {
    const own = prices.map((price): Price => {
      const isBinding = BINDING.includes(plan) && slugs.includes(price.slug) && random.chance(0.5);
      return isBinding ? ({ ...price, minimum: String(random.int(2, 200)) } as Price) : price;
    });
    return [plan, own] as const;
  });
  return Object.fromEntries(changed);
}

/** Some meters take numbers from now on that they refused for their digits, or the other way round. */
function mended(random: Random, meters: readonly Meter[]): Meter[] {
  const surely = random.pick(['tokens', 'level', 'cached']);
  return meters.map((meter) => {
    const isMended = meter.slug === surely || (meter.valuePath !== null && random.once(3));
    if (!isMended || meter.aggregation === 'unique') return meter;
    const { precision, ...rest } = meter;
    return precision === 'exact' ? rest : { ...rest, precision: 'exact' };
  });
}

/** One plan with one price that is otherwise, new or gone, and all others as they are (T4). */
function withOneChange(random: Random, plans: readonly Plan[], fresh: readonly Plan[]): Plan[] {
  const { slug } = random.pick(plans);
  const changing = random.pick(fresh.find((plan) => plan.slug === slug)!.prices);
  const isGone = random.once(3);
  return plans.map((plan) => {
    if (plan.slug !== slug) return plan;
    const others = plan.prices.filter((price) => price.slug !== changing.slug);
    const isThere = others.length < plan.prices.length;
    return { ...plan, prices: isThere && isGone ? others : [...others, changing] };
  });
}

export function catalogsOf(random: Random, tenants: readonly string[]): CatalogChange[] {
  // In half of the runs, and by a stream of its own: line items have several windows.
  const isQuartered = random.fork('items').chance(0.5);
  // Likewise: how the subjects of a customer are put together.
  const across = random.fork('across');
  const joined = (meter: Meter): Meter => {
    if (!across.chance(0.5)) return meter;
    if (meter.aggregation === 'unique') return { ...meter, across: 'sum' };
    if (meter.aggregation === 'avg') return meter;
    return meter.aggregation === 'sum' || meter.aggregation === 'count' ? meter : { ...meter, across: 'max' };
  };
  const hasOtherwise = random.fork('otherwise').chance(0.5);
  const choices = choicesOf(random.fork('choices'), hasOtherwise);
  const grouped = (meter: Meter): Meter =>
    hasOtherwise && meter.slug === 'users' ? { ...meter, dimensions: [{ name: 'model', path: ['model'] }] } : meter;
  const plans = (): Plan[] => plansOf(random, choices);
  const first: Catalog = {
    ...emptyCatalog,
    meters: (isQuartered ? METERS.map(inQuarters) : METERS).map(joined).map(grouped),
    plans: plans(),
    defaultPlan: random.pick(['basic', 'basic', 'basic', null]),
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
    () => ({ ...last(), meters: mended(random.fork('mended'), last().meters) }),
    () => ({ ...last(), plans: withOneChange(random, last().plans, plans()) }),
    () => ({ ...last(), meters: mended(random.fork('mended again'), last().meters) }),
    () => ({ ...last(), defaultPlan: random.pick(['basic', 'team', null]) }),
    () => ({ ...last(), plans: withOneChange(random, last().plans, plans()) }),
    () => ({ ...last(), plans: withOneChange(random, last().plans, plans()) }),
  ];
  for (const step of steps) if (random.chance(0.6)) catalogs.push(step());
  // From one of the changes on, by a stream of its own.
  const from = random.fork('calculated').int(1, catalogs.length);
  for (let i = from; i < catalogs.length; i++) {
    catalogs[i] = { ...catalogs[i]!, meters: [...catalogs[i]!.meters, ...CALCULATED] };
  }
  const changing = random.fork('changing meters');
  for (const change of METER_CHANGES) {
    const from = changing.int(1, catalogs.length + 2);
    for (let i = from; i < catalogs.length; i++) catalogs[i] = change(catalogs[i]!);
  }
  const times = catalogs.slice(1).map(() => random.int(STARTS_AT + 2 * HOUR, ENDS_AT - 12 * HOUR));
  times.sort((a, b) => a - b);
  const defaults = catalogs.map(
    (catalog, i): CatalogChange => ({
      ...{ at: i === 0 ? STARTS_AT : times[i - 1]!, tenant: null, queue: DEFAULTS, catalog: () => catalog },
      afterMs: i > 0 && random.once(3) ? random.spread(HOUR / 2, 2 * DAY) : 0,
      appliesTo: i > 0 && random.once(4) ? 'next' : 'running',
    }),
  );
  const meters = (isQuartered ? METERS : METERS.map(inQuarters)).map(grouped);
  const own = ownCatalogsOf(random.fork('own'), tenants, { choices, first: { ...first, meters } });
  return [
    ...own.filter(({ queue }) => queue === DEFAULTS),
    ...defaults,
    ...own.filter(({ queue }) => queue !== DEFAULTS),
  ];
}

const DEFAULTS = '';

/**
 * Catalogs of tenants. One may have its own before there is a default, with other windows of the same meters; others
 * come to have their own later, by what they had.
 */
function ownCatalogsOf(
  random: Random,
  tenants: readonly string[],
  { choices, first }: { readonly choices: Choices; readonly first: Catalog },
): CatalogChange[] {
  const fresh = (): Plan[] => plansOf(random, choices);
  const [apart] = tenants;
  const changing = random.fork('changing meters');
  const isFirst = random.chance(0.4);
  const before: CatalogChange[] = isFirst
    ? [
        {
          ...{ at: STARTS_AT, tenant: apart!, queue: DEFAULTS, afterMs: 0, appliesTo: 'running' },
          catalog: constant({ ...first, plans: fresh() }),
        },
      ]
    : [];
  // The same slug as that of a meter that the default may come to have, in other windows.
  const cached: Meter = { ...CACHED, window: '1h' };
  const steps: (() => (had: Catalog) => Catalog)[] = [
    () => {
      const plans = fresh();
      return (had) => ({ ...had, plans });
    },
    () => (had) =>
      had.meters.some(({ slug }) => slug === cached.slug) ? had : { ...had, meters: [...had.meters, cached] },
    () => {
      const [plans, change] = [fresh(), random.fork(`change ${random.int(0, 1e6)}`)];
      return (had) => ({ ...had, plans: withOneChange(change.fork('again'), had.plans, plans) });
    },
    () => {
      const defaultPlan = random.pick(['basic', 'team', null]);
      return (had) => ({ ...had, defaultPlan });
    },
    () => {
      const mend = random.fork(`mend ${random.int(0, 1e6)}`);
      return (had) => ({ ...had, meters: mended(mend.fork('again'), had.meters) });
    },
    () => (had) => ({
      ...had,
      meters: had.meters.map((meter) => (meter.slug === 'tokens' ? { ...meter, required: true } : meter)),
    }),
  ];
  const later = tenants.flatMap((tenant): CatalogChange[] => {
    if (!random.chance(0.5)) return [];
    const changes = Array.from({ length: random.int(1, 4) }, () => random.pick(steps)()).map((change) => {
      const ofMeters = METER_CHANGES.filter(() => changing.chance(0.15));
      return (had: Catalog): Catalog => ofMeters.reduce((catalog, each) => each(catalog), change(had));
    });
    const times = changes.map(() => random.int(STARTS_AT + HOUR, ENDS_AT - 12 * HOUR)).sort((a, b) => a - b);
    return changes.map((change, i) => ({
      ...{ at: times[i]!, tenant, queue: isFirst && tenant === apart ? DEFAULTS : tenant },
      catalog: (had) => change(had ?? first),
      afterMs: random.once(3) ? random.spread(HOUR / 2, 2 * DAY) : 0,
      appliesTo: random.once(4) ? 'next' : 'running',
    }));
  });
  return [...before, ...later];
}

const constant =
  (catalog: Catalog): CatalogChange['catalog'] =>
  () =>
    catalog;
