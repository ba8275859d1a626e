import { expect, it } from '@jest/globals';
import { idFault, readPathId } from './account-ids.ts';

it.each(['a', 'A b/c?d#e', '...', '.a', '😀'.repeat(256), '\u202e', '"'])('%j is an id', (id) => {
  expect(idFault(id)).toBeNull();
  expect(readPathId('id', id)).toBe(id);
});

it.each([
  ['', /not be empty/],
  ['.', /clients fold/],
  ['..', /clients fold/],
  ['x'.repeat(257), /at most 256/],
  ['\u0000', /U\+0000/],
  ['\ud800', /lone surrogate/],
])('%j is none', (id, why) => {
  expect(idFault(id)).toMatch(why);
  expect(() => readPathId('id', id)).toThrow(/^id: must /);
});
