// The account of terms: by hand, and against the rule itself over random changes.
import { describe, expect, it } from '@jest/globals';
import type { Catalog, Plan, Price } from '../../domain/catalog/catalog.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { Random } from '../../domain/random.ts';
import { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import { CustomerFees } from '../../domain/terms/fees.ts';
import { CustomerTerms } from '../../domain/terms/price-terms.ts';
import { SubscriptionHistory } from '../../domain/terms/subscription-history.ts';
import { termCharges } from '../../domain/terms/term-amounts.ts';
import { aMeter } from '../../test/support/a-meter.ts';
import { on } from '../../test/terms/records.ts';
import type { AgreedSubscription } from './agreements.ts';
import { Oracle, scaled, unscaled } from './oracle.ts';
import { billsOf, MONEY_SCALE } from './oracle-money.ts';
import { partOf } from './oracle-terms.ts';

const usage = { meter: 'tokens', match: {} } as const;
const perUnit = (unitAmount: string, slug = 'units'): Price => ({ ...usage, slug, model: 'per_unit', unitAmount });
const packages = (packageAmount: string): Price => ({
  ...usage,
  ...{ slug: 'packs', model: 'package', packageSize: '100', packageAmount },
});
const volume = (first: string, then: string): Price => ({
  ...{ ...usage, slug: 'units', model: 'volume' },
  tiers: [
    { upTo: '1000', unitAmount: first, flatAmount: '0' },
    { upTo: null, unitAmount: then, flatAmount: '0' },
  ],
});
const graduated = (first: string, then: string): Price => ({ ...volume(first, then), model: 'graduated' }) as Price;
const fee = (flatAmount: string, slug = 'fee'): Price => ({ slug, model: 'flat', flatAmount });

const plan = (slug: string, prices: readonly Price[], more: Partial<Plan> = {}): Plan => ({
  ...{ slug, calendar: true, timezone: 'UTC', prices },
  ...more,
});
const catalogWith = (...plans: readonly Plan[]): Catalog => ({
  ...{ currency: 'USD', meters: [aMeter('tokens')], plans, defaultPlan: null },
});

type Changes = Pick<AgreedSubscription, 'plans'> & Partial<AgreedSubscription>;

function subscribed(oracle: Oracle, { plans, ...more }: Changes): void {
  const billedFrom = plans[0]!.at;
  const opening = { customer: 'c', id: 's1', billedFrom, anchor: 'calendar' as const, timezone: 'UTC', endsAt: null };
  oracle.agreements.subscribe({ ...opening, plans, ...more });
}

let serial = 0;
function use(oracle: Oracle, time: number, tokens: number): void {
  const id = `e${serial++}`;
  oracle.record('accepted', { id, source: '', type: 'llm.completion', subject: 'c', time, data: { tokens } });
}

function owed(oracle: Oracle, until: number): Record<string, string> {
  const bills = billsOf(oracle.agreements, oracle.cells(), { watermark: until, allowedLatenessMs: 0 });
  return Object.fromEntries([...bills].map(([slug, bill]) => [slug, unscaled(bill.get('c') ?? 0n, MONEY_SCALE)]));
}

/** `pro` from 1 October, `team` from the 16th; 900 used before, 200 after. */
function changed(pro: readonly Price[], team: readonly Price[], at = on('10-16'), until = on('11-01')) {
  const oracle = new Oracle(catalogWith(plan('pro', pro), plan('team', team)));
  subscribed(oracle, {
    plans: [
      { at: on('10-01'), plan: 'pro' },
      { at, plan: 'team' },
    ],
  });
  use(oracle, on('10-05'), 900);
  use(oracle, on('10-20'), 200);
  return owed(oracle, until);
}

describe('a change of plan', () => {
  it.each<[string, Price, Price, string, string]>([
    ['keeps units at their price', perUnit('0.10'), perUnit('0.20'), '90', '40'],
    ['keeps units in their tiers', perUnit('0.10'), graduated('0.20', '0.10'), '90', '30'],
    ['shares what has no units of its own', perUnit('0.20'), volume('0.20', '0.10'), '180', '20'],
    // 11 packages: 9/11 of 110, and 2/11 of 220.
    ['shares packages', packages('10'), packages('20'), '90', '40'],
  ])('%s', (_, before, after, pro, team) => {
    expect(changed([before], [after])).toEqual({ pro, team });
  });

  it('holds from the next window on', () => {
    const oracle = new Oracle(catalogWith(plan('pro', [perUnit('1')]), plan('team', [perUnit('2')])));
    subscribed(oracle, {
      plans: [
        { at: on('10-01'), plan: 'pro' },
        { at: on('10-16T10:20'), plan: 'team' },
      ],
    });
    use(oracle, on('10-16T10:59'), 5);
    use(oracle, on('10-16T11:00'), 5);
    expect(owed(oracle, on('10-17'))).toEqual({ pro: '5', team: '10' });
  });

  it('leaves a price alone that both plans have', () => {
    expect(changed([volume('2', '1')], [volume('2', '1')])).toEqual({ pro: '1100' });
  });

  it('cuts a fee where its windows begin, and owes a stretch once it has begun', () => {
    const [pro, team] = [
      [perUnit('0'), fee('90')],
      [perUnit('0'), fee('270')],
    ];
    const both = { pro: '43.548387096774', team: '139.354838709677' };
    expect(changed(pro, team, on('10-16'), on('11-01') - 1)).toEqual(both);
    expect(changed(pro, team, on('10-15T23:20'), on('11-01') - 1)).toEqual(both);
    expect(changed(pro, team, on('10-15T23:20'), on('10-16') - 1)).toEqual({ pro: '43.548387096774' });
    // A change that has not come is not known.
    expect(changed(pro, team, on('10-16'), on('10-16') - 1)).toEqual({ pro: '90' });
  });
});

describe('the start and the end of a subscription', () => {
  const plans = [
    plan('free', [perUnit('0.01')]),
    plan('pro', [perUnit('0.10'), fee('31', 'pro-fee')], { afterEnd: 'default' }),
  ];
  const oracle = (endsAt: number | null, of: readonly Plan[] = plans) => {
    const made = new Oracle({ ...catalogWith(...of), defaultPlan: 'free' });
    subscribed(made, { plans: [{ at: on('10-11T10:20'), plan: 'pro' }], endsAt });
    for (const time of ['10-11T09:59', '10-11T10:00', '10-20', '10-21T10:20', '10-21T11:00']) use(made, on(time), 100);
    return owed(made, on('11-01'));
  };

  it('cut a fee to the second, and take the window that had begun', () => {
    // 10 of 31 days from 10:20 to 10:20.
    expect(oracle(on('10-21T10:20'))).toEqual({ free: '2', pro: '40' });
  });

  it('leave nothing behind where the plan does not say that the default one follows', () => {
    const alone = plans.map(({ afterEnd, ...each }) => each);
    expect(oracle(on('10-21T10:20'), alone)).toEqual({ free: '1', pro: '40' });
  });
});

it('a new price list holds from the next window on, and only for what it changes', () => {
  const list = (amount: string): Catalog => ({
    ...catalogWith(plan('free', [perUnit(amount), perUnit('1', 'more')])),
    defaultPlan: 'free',
  });
  const oracle = new Oracle(list('1'));
  oracle.agreements.changePrices(list('2'), on('10-16T10:20'));
  use(oracle, on('10-16T10:59'), 5);
  use(oracle, on('10-16T11:00'), 5);
  expect(owed(oracle, on('10-17'))).toEqual({ free: '25' });
  expect(() => oracle.agreements.changePrices(catalogWith(plan('free', [])), on('10-18'))).toThrow();
  const yearly = { ...list('1'), plans: [plan('free', [{ ...perUnit('1'), every: { years: 1 } }])] };
  expect(() => new Oracle(yearly)).toThrow('the account knows no every');
});

it('parts add up to the whole, each rounded half to even', () => {
  expect([partOf(5n, 0n, 1n, 2n, 1n), partOf(5n, 1n, 2n, 2n, 1n)]).toEqual([2n, 3n]);
  expect([partOf(7n, 0n, 1n, 2n, 1n), partOf(7n, 1n, 2n, 2n, 1n)]).toEqual([4n, 3n]);
  expect(partOf(1n, 0n, 3n, 3n, 10n)).toBe(1n);
});

describe('random changes', () => {
  const HOUR = 3_600_000;
  const [start, end] = [on('10-01'), on('12-15')];

  /** Prices of every plan by the same slugs and by others, some of them equal. */
  function randomPlans(random: Random): Plan[] {
    const amount = (): string => `0.${1 + random.below(3)}`;
    const priceOf = [
      () => perUnit(amount()),
      () => graduated(amount(), amount()),
      () => volume(amount(), amount()),
    ] as const;
    return ['free', 'pro', 'team'].map((slug) => {
      const fees = slug === 'free' ? [] : [fee(`${10 + random.below(3)}`, random.chance(0.5) ? 'fee' : `fee-${slug}`)];
      const more = random.chance(0.5) ? [packages(amount())] : [];
      const afterEnd = random.chance(0.5) ? ({ afterEnd: 'default' } as const) : {};
      return plan(slug, [priceOf[random.below(3)]!(), ...more, ...fees], afterEnd);
    });
  }

  const repriced = (random: Random, plans: readonly Plan[]): Plan[] =>
    plans.map((each) => ({
      ...each,
      prices: each.prices.map((price) =>
        price.model === 'per_unit' && random.chance(0.5) ? { ...price, unitAmount: `0.${1 + random.below(5)}` } : price,
      ),
    }));

  it.each(Array.from({ length: 150 }, (_, seed) => seed))('come to what the rule says, seed %s', (seed) => {
    const random = new Random(seed);
    const instant = (from: number, to: number): number =>
      random.chance(0.3) ? from + random.below(Math.floor((to - from) / HOUR)) * HOUR : from + random.below(to - from);
    const first: Catalog = { ...catalogWith(...randomPlans(random)), defaultPlan: random.chance(0.7) ? 'free' : null };
    const second = { ...first, plans: repriced(random, first.plans) };
    const repricedAt = instant(start, end);
    const oracle = new Oracle(first);
    oracle.agreements.changePrices(second, repricedAt);

    const billedFrom = instant(start, on('11-10'));
    const changes = Array.from({ length: random.below(4) }, () => instant(billedFrom, end)).sort((a, b) => a - b);
    const plans = [billedFrom, ...changes].map((at) => ({ at, plan: ['free', 'pro', 'team'][random.below(3)]! }));
    const endsAt = random.chance(0.4) ? instant(Math.max(billedFrom, ...changes), end) + 1 : null;
    const anchor = random.chance(0.5) ? ('calendar' as const) : billedFrom - random.below(60 * 24) * HOUR;
    const timezone = random.chance(0.5) ? 'UTC' : 'America/New_York';
    subscribed(oracle, { plans, billedFrom, anchor, timezone, endsAt });
    for (let i = 0; i < 40; i++) use(oracle, instant(start, end), random.below(400));
    const until = instant(billedFrom, end);

    const patches = plans.map(({ at, plan: slug }, i) => ({
      sequence: i + 1,
      patches: [{ at, patch: i === 0 && endsAt !== null ? { plan: slug, endsAt } : { plan: slug } }],
    }));
    const opening = { id: 's1', startsAt: billedFrom, billedFrom, takesBegunWindow: true, anchor, timezone };
    const records = {
      catalog: new CatalogHistory([
        { version: 1, effectiveAt: start - 1, closedUpTo: 0, catalog: first },
        { version: 2, effectiveAt: repricedAt, closedUpTo: repricedAt, catalog: second },
      ]),
      subscriptions: [new SubscriptionHistory(opening, patches)],
    };
    const expected = new Map<string, Decimal>();
    const add = (slug: string, amount: Decimal): void => {
      expected.set(slug, (expected.get(slug) ?? Decimal.zero).plus(amount));
    };
    const closed = [...oracle.cells()].filter(({ itemEnd }) => itemEnd <= until);
    const used = closed.map(({ windowStart, value }) => ({ windowStart, quantity: value }));
    const terms = new CustomerTerms(records);
    for (const line of terms.usageLines)
      for (const period of terms.usagePeriodsIn(line, start - 40 * 24 * HOUR, end))
        for (const { term, amount } of termCharges(period, () => used)) add(term.plan, amount);
    const fees = new CustomerFees(records);
    for (const period of fees.periodsIn(start, end, until))
      for (const { plan: slug, amount, dueAt } of fees.termsAt(period, until)) if (dueAt <= until) add(slug, amount);

    const bills = billsOf(oracle.agreements, oracle.cells(), { watermark: until, allowedLatenessMs: 0 });
    for (const slug of ['free', 'pro', 'team'])
      expect([slug, bills.get(slug)?.get('c') ?? 0n]).toEqual([
        slug,
        scaled((expected.get(slug) ?? Decimal.zero).toString(), MONEY_SCALE),
      ]);
  });
});
