// models.dev's api.json: providers with their models, each with a `cost` in dollars for a million tokens. What differs
// in a long context stands in `tiers`, or in the older `context_over_200k`.
import type { Bucket } from '../book/buckets.ts';
import { contextName, isMap, ListedModel, ListedModels, type ListReading, rateOf } from './listed-models.ts';

const KEYS: Readonly<Record<string, Bucket>> = {
  input: 'input',
  cache_read: 'cache_read',
  cache_write: 'cache_write_5m',
  output: 'output',
  reasoning: 'reasoning',
  input_audio: 'audio_input',
  output_audio: 'audio_output',
};
const OVER_200K = 'context_over_200k';

type Entry = Readonly<Record<string, unknown>>;

export const isModelsDev = (list: Entry): boolean =>
  Object.values(list).some((provider) => isMap(provider) && isMap(provider.models));

function addRates(model: ListedModel, rates: Entry, at: string, context: string | undefined): void {
  for (const [name, value] of Object.entries(rates)) {
    if (name === 'tier' || name === 'tiers' || name === OVER_200K) continue;
    const told = `${at}.${name}`;
    if (!Object.hasOwn(KEYS, name)) model.leaveOut(`${told}, which no bucket is`);
    else model.add(KEYS[name]!, value, { at: told, perToken: false, ...(context !== undefined && { context }) });
  }
}

/** The context of a tier, as `over_200k`; null: it is of something else, or of no whole thousands. */
function contextOf({ tier }: Entry): string | null {
  if (!isMap(tier) || tier.type !== 'context') return null;
  const thousands = /^([1-9]\d{0,5})000$/.exec(rateOf(tier.size)?.toString() ?? '')?.[1];
  return thousands === undefined ? null : contextName(thousands);
}

function addCost(model: ListedModel, cost: Entry): void {
  addRates(model, cost, 'cost', undefined);
  if (Array.isArray(cost.tiers)) {
    for (const tier of cost.tiers as readonly unknown[]) {
      const context = isMap(tier) ? contextOf(tier) : null;
      if (context === null) model.leaveOut('cost.tiers that are not of a context of so many thousand tokens');
      else addRates(model, tier as Entry, 'cost.tiers', context);
    }
  } else if (isMap(cost[OVER_200K])) addRates(model, cost[OVER_200K], `cost.${OVER_200K}`, contextName('200'));
}

/** `providers` empty: all. */
export function readModelsDev(list: Entry, providers: readonly string[]): ListReading {
  const models = new ListedModels();
  for (const [provider, of] of Object.entries(list)) {
    if (providers.length > 0 && !providers.includes(provider)) continue;
    if (!isMap(of) || !isMap(of.models)) {
      models.leaveOut('providers without models', provider);
      continue;
    }
    for (const [name, entry] of Object.entries(of.models)) {
      const family = isMap(entry) && typeof entry.family === 'string' ? entry.family : undefined;
      const model = new ListedModel(provider, name, family, models.leaveOut);
      if (!isMap(entry) || !isMap(entry.cost)) model.leaveOut('models without a cost');
      else addCost(model, entry.cost);
      models.add(model);
    }
  }
  return models.reading;
}
