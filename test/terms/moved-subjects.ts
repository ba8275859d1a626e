// Random histories whose customer has a second subject, that is another one's at some time: before it was assigned, in
// between, or after it has left. Prices of levels are of models that tell a part of a unit, which its share may be.
import type { Price } from '../../domain/catalog/catalog.ts';
import { Random } from '../../domain/random.ts';
import { historyOf } from './histories.ts';
import { SLOT, type SlowHistory, type SlowSubject } from './slow-model.ts';

const CUSTOMER_NAME = 'c';
const MOVED = 'm';
const SLOTS = 3 * 48;

export function movedHistory(seed: number): SlowHistory {
  const random = new Random(seed).fork('moved');
  const history = historyOf(seed);
  const meters = history.versions[0]!.catalog.meters;
  const levels = meters.filter(({ aggregation }) => ['max', 'min', 'latest'].includes(aggregation));
  const ofLevel = (price: Price): boolean => 'meter' in price && levels.some(({ slug }) => slug === price.meter);
  const models = [
    { model: 'per_unit', unitAmount: '0.1' },
    { model: 'per_unit', unitAmount: '0.1234567890123456789' },
    { model: 'package', packageSize: '2', packageAmount: '3' },
    {
      model: 'volume',
      tiers: [
        { upTo: '2', unitAmount: '1', flatAmount: '0' },
        { upTo: null, unitAmount: '0.7', flatAmount: '0.3' },
      ],
    },
    {
      model: 'stairstep',
      tiers: [
        { upTo: '3', amount: '1' },
        { upTo: null, amount: '2.5' },
      ],
    },
  ];
  // Each definition as a whole, so that what was the same stays so.
  const known = new Map<string, Price>();
  const told = (price: Price): Price => {
    if (!ofLevel(price)) return price;
    const key = JSON.stringify(price);
    const { slug, meter, match, every, otherwise, onChange } = price as Extract<Price, { meter: string }>;
    const made =
      known.get(key) ??
      ({
        ...{ slug, meter, match, every, ...random.pick(models) },
        ...(otherwise !== undefined && { otherwise }),
        ...((onChange === 'prorate' || onChange === 'restart') && { onChange }),
      } as Price);
    known.set(key, made);
    return made;
  };
  const versions = history.versions.map((version) => ({
    ...version,
    catalog: {
      ...version.catalog,
      plans: version.catalog.plans.map((plan) => ({ ...plan, prices: plan.prices.map(told) })),
    },
  }));
  const times = Array.from({ length: random.int(1, 4) }, () => random.int(0, SLOTS - 1));
  const assignments = [...new Set(times)]
    .sort((a, b) => a - b)
    .map((slot) => ({ customer: random.pick([CUSTOMER_NAME, CUSTOMER_NAME, 'x']), from: history.start + slot * SLOT }));
  const subjects: SlowSubject[] = [{ subject: MOVED, assignments }];
  const usage = history.usage.map((each) => (random.chance(0.6) ? { ...each, subject: MOVED } : each));
  return { ...history, versions, subjects, usage };
}
