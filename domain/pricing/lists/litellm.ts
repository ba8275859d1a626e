// LiteLLM's model_prices_and_context_window.json: a map by model, dollars for one token, and in the names of keys what
// a rate is of: "input_cost_per_token_above_200k_tokens". Its names of models begin with the provider where several
// have the model: the provider is told by itself here, so it is taken off.
import type { Bucket } from '../book/buckets.ts';
import { contextName, isMap, ListedModel, ListedModels, type ListReading } from './listed-models.ts';

const KEYS: Readonly<Record<string, Bucket>> = {
  input_cost_per_token: 'input',
  cache_read_input_token_cost: 'cache_read',
  cache_creation_input_token_cost: 'cache_write_5m',
  cache_creation_input_token_cost_above_1hr: 'cache_write_1h',
  output_cost_per_token: 'output',
  output_cost_per_reasoning_token: 'reasoning',
  input_cost_per_audio_token: 'audio_input',
  output_cost_per_audio_token: 'audio_output',
  input_cost_per_image_token: 'image_input',
  output_cost_per_image_token: 'image_output',
  output_cost_per_image: 'images',
};

/** Behind a key, and behind what it says of the context. */
const SERVICES: Readonly<Record<string, string>> = { _batches: 'batch', _priority: 'priority', _flex: 'flex' };
const CONTEXT = /_above_(\d{1,6})k_tokens$/;

/** The entry that explains the others. */
const EXPLANATION = 'sample_spec';

function ratedBy(key: string): { bucket: Bucket; context?: string; service?: string } | null {
  const suffix = Object.keys(SERVICES).find((each) => key.endsWith(each));
  const inContext = suffix === undefined ? key : key.slice(0, -suffix.length);
  const thousands = CONTEXT.exec(inContext)?.[1];
  const base = inContext.replace(CONTEXT, '');
  if (!Object.hasOwn(KEYS, base)) return null;
  return {
    bucket: KEYS[base]!,
    ...(thousands !== undefined && { context: contextName(thousands) }),
    ...(suffix !== undefined && { service: SERVICES[suffix]! }),
  };
}

const isRate = (key: string): boolean => /(^|_)cost($|_)|tiered_pricing/.test(key);

export const isLiteLlm = (list: Readonly<Record<string, unknown>>): boolean =>
  Object.values(list).some((entry) => isMap(entry) && typeof entry.litellm_provider === 'string');

/** `providers` empty: all. */
export function readLiteLlm(list: Readonly<Record<string, unknown>>, providers: readonly string[]): ListReading {
  const models = new ListedModels();
  for (const [key, entry] of Object.entries(list)) {
    if (key === EXPLANATION) continue;
    const provider = isMap(entry) ? entry.litellm_provider : undefined;
    if (!isMap(entry) || typeof provider !== 'string') {
      models.leaveOut('entries that name no provider', key);
      continue;
    }
    if (providers.length > 0 && !providers.includes(provider)) continue;
    const short = key.startsWith(`${provider}/`) ? key.slice(provider.length + 1) : key;
    // Where the short name is an entry of the provider itself, that one has it.
    const other = list[short];
    const isTaken = short !== key && isMap(other) && other.litellm_provider === provider;
    const model = new ListedModel(provider, isTaken ? key : short, undefined, models.leaveOut);
    for (const [name, value] of Object.entries(entry)) {
      const of = ratedBy(name);
      if (of !== null) model.add(of.bucket, value, { ...of, at: name, perToken: true });
      else if (isRate(name)) model.leaveOut(`${name}, which no bucket is`);
    }
    models.add(model);
  }
  return models.reading;
}
