// docs/use/rating.md says what a level of a subject that moves counts: its example is computed.
import { expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { customerOf } from '../../domain/accounts/ownership.ts';
import type { Meter } from '../../domain/metering/meter.ts';
import { QUANTITY_ONE } from '../../domain/number/quantity.ts';
import { addedAcross } from '../../domain/rating/contributions.ts';
import { heldTimes } from '../../domain/rating/held-share.ts';
import { windowSizeMs } from '../../domain/time/time-window.ts';
import { textOf } from '../support/sources.ts';
import { meterOf, on, shownAt } from '../terms/records.ts';

interface Example {
  readonly meter: Partial<Meter>;
  readonly period: string;
  readonly subject: Readonly<Record<string, string>>;
  readonly usage: Readonly<Record<string, number>>;
  readonly quantities: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const page = textOf('docs/use/rating.md');
const [, text] = /^### A level that moves$.*?^```yaml\n(.*?)^```$/ms.exec(page)!;
const { meter: written, period, subject, usage, quantities } = parse(text!) as Example;
const meter = meterOf('m', written);
const [from, to] = period.split(' to ').map(on) as [number, number];
const assignments = Object.entries(subject).map(([at, customer]) => ({ customer, from: on(at) }));
const assigned = { subject: 'workspace_7', assignments };

it.each(Object.entries(quantities))('%s has what the page says', (customer, expected) => {
  const windows = Object.entries(usage)
    .map(([at, value]) => ({ windowStart: on(at), quantity: BigInt(value) * QUANTITY_ONE }))
    .filter(({ windowStart }) => customerOf(assigned, windowStart, windowSizeMs[meter.window]) === customer);
  const held = heldTimes(meter, { customer, subjects: [assigned] }, assigned.subject, [{ from, to }], to);
  const items = addedAcross(meter, [{ from, to }], [{ windows, held }])
    .filter(({ quantity }) => quantity !== 0n)
    .map(({ windowStart, quantity }) => [shownAt(windowStart), String(quantity / QUANTITY_ONE)]);
  expect(Object.fromEntries(items)).toEqual(expected);
});
