// Public price lists as drafts: in the forms that LiteLLM and models.dev document, with values of our own. A draft is
// read back as a catalog, so that what is written is what was meant.
import { describe, expect, it } from '@jest/globals';
import { readCatalog } from '../../catalog/catalog-file.ts';
import { bookLines, draftOf, formatLeftOut } from './price-list.ts';

const of = { slug: 'public', providers: [], source: 'list.json', readAt: '2026-12-01' };

function drafted(text: string, providers: readonly string[] = []) {
  const draft = draftOf(text, { ...of, providers });
  if ('fault' in draft) throw new Error(draft.fault);
  const reading = readCatalog(['currency: USD', ...bookLines(draft.book)].join('\n'), 'draft');
  if (!reading.ok) throw new Error(JSON.stringify(reading.errors));
  // What a file says has one order.
  expect(reading.catalog.priceBooks).toEqual([{ ...draft.book, models: expect.anything() }]);
  expect(new Set(reading.catalog.priceBooks![0]!.models)).toEqual(new Set(draft.book.models));
  return { models: draft.book.models, leftOut: draft.leftOut.map(formatLeftOut) };
}

const liteLlm = `{
  "sample_spec": { "litellm_provider": "one of many", "input_cost_per_token": 0.0 },
  "m-1": {
    "litellm_provider": "acme", "mode": "chat", "max_tokens": 8192,
    "input_cost_per_token": 1e-07, "output_cost_per_token": 1.5e-07,
    "cache_read_input_token_cost": 2.5e-8, "cache_creation_input_token_cost": 0.000000125,
    "cache_creation_input_token_cost_above_1hr": 2e-7,
    "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 4e-7,
    "input_cost_per_token_above_200k_tokens": 2e-07, "input_cost_per_token_batches": 5e-08,
    "output_cost_per_token_priority": 3e-07, "input_cost_per_token_above_200k_tokens_priority": 1e-6,
    "output_cost_per_image": 0.04, "search_context_cost_per_query": { "search_context_size_low": 0.01 }
  },
  "acme/m-2": { "litellm_provider": "acme", "input_cost_per_token": 0.00000123456789012345678 },
  "acme/m-1": { "litellm_provider": "acme", "input_cost_per_token": 9e-07 },
  "free": { "litellm_provider": "other", "input_cost_per_token": 0.0, "output_cost_per_token": 0 },
  "half": { "litellm_provider": "other", "input_cost_per_token": "cheap", "output_cost_per_token": 2E-6 },
  "any/*": { "litellm_provider": "other", "input_cost_per_token": 1e-06 }
}`;

describe("LiteLLM's list", () => {
  it('is read from its digits, into buckets, contexts and services', () => {
    const { models } = drafted(liteLlm);
    expect(models).toEqual([
      { provider: 'acme', model: 'acme/m-1', rates: { input: '0.9' } },
      {
        ...{ provider: 'acme', model: 'm-1' },
        rates: {
          input: '0.1',
          cache_read: '0.025',
          cache_write_5m: '0.125',
          cache_write_1h: '0.2',
          output: '0.15',
          images: '0.04',
        },
        contexts: { over_200k: { input: '0.2', cache_write_1h: '0.4' } },
        services: { batch: { input: '0.05' }, priority: { output: '0.3' } },
      },
      { provider: 'acme', model: 'm-2', rates: { input: '1.23456789012345678' } },
      { provider: 'other', model: 'half', rates: { output: '2' } },
    ]);
  });

  it('tells what a draft does not have of it', () => {
    expect(drafted(liteLlm).leftOut).toEqual([
      '! input_cost_per_token of 0, which may be free or not known: left out of 1 model, such as other/free',
      '! input_cost_per_token, which is no rate: left out of 1 model, such as other/half',
      '! input_cost_per_token_above_200k_tokens_priority, of a context and a service at once: left out of 1 model, such as acme/m-1',
      '! names that no model of a book can have: left out of 1 model, such as other/any/*',
      '! output_cost_per_token of 0, which may be free or not known: left out of 1 model, such as other/free',
      '! search_context_cost_per_query, which no bucket is: left out of 1 model, such as acme/m-1',
    ]);
  });

  it('is read for some providers alone', () => {
    expect(drafted(liteLlm, ['other']).models.map(({ model }) => model)).toEqual(['half']);
  });
});

const modelsDev = `{
  "acme": {
    "id": "acme", "name": "Acme", "env": ["KEY"], "npm": "x", "doc": "https://acme.example", "models": {
      "m-1": {
        "id": "m-1", "name": "M 1", "family": "m", "cost": {
          "input": 1.25, "output": 10, "cache_read": 0.125, "cache_write": 1.5625, "input_audio": 3, "output_audio": 12,
          "context_over_200k": { "input": 2.5, "output": 15 }
        }
      },
      "m-2": {
        "id": "m-2", "name": "M 2", "cost": {
          "input": 5, "output": 30, "reasoning": 40, "surcharge": 1,
          "tiers": [
            { "input": 10, "output": 45, "tier": { "type": "context", "size": 272000 } },
            { "input": 11, "tier": { "type": "time" } }
          ],
          "context_over_200k": { "input": 10, "output": 45 }
        }
      },
      "m-3": { "id": "m-3", "name": "M 3", "cost": { "input": 0, "output": 0 } },
      "m-4": { "id": "m-4", "name": "M 4" }
    }
  },
  "odd": { "id": "odd" }
}`;

describe("models.dev's list", () => {
  it('is read with families and contexts', () => {
    const { models, leftOut } = drafted(modelsDev);
    expect(models).toEqual([
      {
        ...{ provider: 'acme', model: 'm-1', family: 'm' },
        rates: {
          input: '1.25',
          cache_read: '0.125',
          cache_write_5m: '1.5625',
          output: '10',
          audio_input: '3',
          audio_output: '12',
        },
        contexts: { over_200k: { input: '2.5', output: '15' } },
      },
      {
        ...{ provider: 'acme', model: 'm-2', rates: { input: '5', output: '30', reasoning: '40' } },
        contexts: { over_272k: { input: '10', output: '45' } },
      },
    ]);
    expect(leftOut).toEqual([
      '! cost.input of 0, which may be free or not known: left out of 1 model, such as acme/m-3',
      '! cost.output of 0, which may be free or not known: left out of 1 model, such as acme/m-3',
      '! cost.surcharge, which no bucket is: left out of 1 model, such as acme/m-2',
      '! cost.tiers that are not of a context of so many thousand tokens: left out of 1 model, such as acme/m-2',
      '! models without a cost: left out of 1 model, such as acme/m-4',
      '! providers without models: left out of 1 model, such as odd',
    ]);
  });
});

describe('a file that is no list', () => {
  it.each([
    ['no JSON', '{', 'is no JSON'],
    ['a list', '[]', 'is neither'],
    ['another map', '{"a": 1}', 'is neither'],
    ['one without rates', '{"a": {"litellm_provider": "x"}}', 'has no model with a rate'],
  ])('%s is refused', (_, text, fault) => {
    expect(draftOf(text, of)).toEqual({ fault: expect.stringContaining(fault) });
  });
});
