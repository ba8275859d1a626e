// The catalog that the fuzzers meter with: an event type with every aggregation, paths, groups and a value that is
// required.

import { type Catalog, emptyCatalog, type Meter } from '../../../domain/catalog/catalog.ts';
import { aMeter } from '../../support/a-meter.ts';

const meter = (slug: string, more: Partial<Meter> = {}): Meter => aMeter(slug, { eventType: 'llm', ...more });

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
    meter('calls', { aggregation: 'count', valuePath: null, window: '1m' }),
    meter('peak', { aggregation: 'max' }),
    meter('low', { aggregation: 'min' }),
    meter('seats', { aggregation: 'latest' }),
    meter('users', { aggregation: 'unique', valuePath: ['user'] }),
    meter('seconds', { eventType: 'audio', required: true, window: '1d' }),
  ],
};
