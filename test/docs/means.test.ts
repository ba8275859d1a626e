// docs/use/rating.md says what windows add to the mean of a period: its example is computed.
import { expect, it } from '@jest/globals';
import { parse } from 'yaml';
import type { Meter } from '../../domain/metering/meter.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { formatQuantity, QUANTITY_ONE, quantityToDecimal } from '../../domain/number/quantity.ts';
import { amountOf } from '../../domain/pricing/prices.ts';
import { addedAcross } from '../../domain/rating/contributions.ts';
import { ALWAYS } from '../../domain/rating/window-span.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time/time-window.ts';
import { textOf } from '../support/sources.ts';
import { meterOf } from '../terms/records.ts';

interface Example {
  readonly meter: Partial<Meter>;
  readonly unitAmount: string;
  readonly events: readonly { readonly at: string; readonly subject: string; readonly value: number }[];
  readonly quantities: Readonly<Record<string, string>>;
  readonly amount: string;
}

const [, text] = /^### The mean of a period$.*?^```yaml\n(.*?)^```$/ms.exec(textOf('docs/use/rating.md'))!;
const { meter: written, unitAmount, events, quantities, amount } = parse(text!) as Example;
const meter = meterOf('m', written);

it('has the quantities and the amount that the page says', () => {
  // As they are read: each window of each subject, merged, and all for one subject's.
  const windows = events.map(({ at, value }) => ({
    windowStart: windowStartOf(Date.parse(`2026-${at}Z`), windowSizeMs[meter.window]),
    ...{ quantity: BigInt(value) * QUANTITY_ONE, events: 1n },
  }));
  const added = addedAcross(meter, [ALWAYS], [{ windows }]);
  const shown = added.map(({ windowStart, quantity }) => [
    new Date(windowStart).toISOString().slice(5, 16),
    formatQuantity(quantity),
  ]);
  expect(Object.fromEntries(shown)).toEqual(quantities);
  const total = added.reduce((sum, { quantity }) => sum + quantity, 0n);
  const price = amountOf({ slug: 'p', meter: 'm', match: {}, model: 'per_unit', unitAmount });
  expect(price(quantityToDecimal(total)).compare(Decimal.parse(amount))).toBe(0);
});
