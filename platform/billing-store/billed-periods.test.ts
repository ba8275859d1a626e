import { expect, it } from '@jest/globals';
import { aMeter } from '../../test/support/a-meter.ts';
import { isComplete } from './billed-periods.ts';

const at = (time: string): number => Date.parse(`2026-11-30T${time}Z`);
const hourly = aMeter('hourly');
const wider = aMeter('wider', { window: '15m', itemWidth: '1h' });

it.each([
  ['before its last window was closed', '18:29:59', [hourly], false],
  ['once its last window was closed', '18:30:00', [hourly], true],
  ['later', '18:31:00', [hourly], true],
  ['not while an item is open that it cuts', '18:59:59', [hourly, wider], false],
  ['once an item is closed that it cuts', '19:00:00', [hourly, wider], true],
])('a period is complete %s: %#', (_, closedUpTo, meters, expected) => {
  expect(isComplete({ periodEnd: at('18:30:00'), closedUpTo: at(closedUpTo) }, meters)).toBe(expected);
});
