import { expect, it } from '@jest/globals';
import { statementName } from './statement-names.ts';

it('a text has one name for ever, two texts have two, and there are few', () => {
  const first = statementName('SELECT 1');
  expect(first).toMatch(/^tallyline_\d+$/);
  expect(statementName('SELECT 2')).not.toBe(first);
  const names = Array.from({ length: 500 }, (_, i) => statementName(`SELECT ${i}`));
  expect(names[1]).toBe(first);
  const given = names.filter((name) => name !== undefined);
  expect(new Set(given).size).toBe(given.length);
  expect(given.length).toBe(200);
});
