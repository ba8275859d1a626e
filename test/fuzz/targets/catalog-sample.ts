// The catalog that the fuzzers meter with: an event type with every aggregation, paths, groups and a value that is
// required.

import { type Catalog, emptyCatalog, type Meter } from '../../../domain/catalog/catalog.ts';
import type { Addend } from '../../../domain/metering/meter.ts';
import { aMeter } from '../../support/a-meter.ts';

const meter = (slug: string, more: Partial<Meter> = {}): Meter => aMeter(slug, { eventType: 'llm', ...more });

const n = (name: string, factor: string): Addend => ({ path: [name], factor });

export const sampleCatalog: Catalog = {
  ...emptyCatalog,
  meters: [
    meter('tokens', {
      dimensions: [
        { name: 'model', path: ['model'] },
        { name: 'region', path: ['where', 'region'] },
      ],
    }),
    meter('nested', { valuePath: ['usage', 'total'] }),
    meter('items', { valuePath: ['usage', null], precision: 'exact' }),
    meter('first_item', { valuePath: ['items', 0, 'n'], aggregation: 'max' }),
    meter('dotted', { valuePath: ['gen_ai.n'] }),
    meter('fresh', { valuePath: null, addends: [n('tokens', '1'), n('peak', '-0.5'), n('items', '999')] }),
    meter('calls', { aggregation: 'count', valuePath: null, window: '1m' }),
    meter('peak', { aggregation: 'max' }),
    meter('low', { aggregation: 'min' }),
    meter('seats', { aggregation: 'latest' }),
    meter('users', { aggregation: 'unique', valuePath: ['user'] }),
    meter('done', {
      valuePath: ['tokens'],
      required: true,
      where: [
        { path: ['user'], isNot: true, values: ['', 'u', '1'] },
        { path: ['model'], isNot: false, values: ['m', 'true', '0.5', ''] },
      ],
    }),
    meter('seconds', { eventType: 'audio', required: true, window: '1d' }),
  ],
};
