import type { Dimension, Meter } from '../../domain/metering/meter.ts';

/** A sum of the property of its own name, in hours; `more` says what is different. */
export const aMeter = (slug: string, more: Partial<Meter> = {}): Meter => ({
  slug,
  eventType: 'llm.completion',
  aggregation: 'sum',
  valuePath: more.aggregation === 'count' ? null : [slug],
  required: false,
  dimensions: [],
  window: '1h',
  ...more,
});

/** Dimensions, each of the property of its name. */
export const by = (...names: string[]): Dimension[] => names.map((name) => ({ name, path: [name] }));
