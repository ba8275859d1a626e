import { describe, expect, it } from '@jest/globals';
import { parseExactJson } from './exact-json.ts';
import { type JsonPath, pick, pickAll, type SingularPath } from './json-path.ts';

const value = parseExactJson(
  '{"a":{"b":1,"c.d":2},"list":[{"n":1},{"n":null},{},5,{"n":3}],"empty":[],"exact":12345678901234567890,"__proto__":{"x":7}}',
);

describe('a path of one value', () => {
  it.each<[SingularPath, unknown]>([
    [['a', 'b'], 1],
    [['a', 'c.d'], 2],
    [['a', 'c', 'd'], undefined],
    [['list', 0, 'n'], 1],
    [['list', -1, 'n'], 3],
    [['list', 5], undefined],
    [['list', -6], undefined],
    [['list', 3, 'n'], undefined],
    [['a', 0], undefined],
    [['list', 'n'], undefined],
    [['constructor'], undefined],
    [['list', 'map'], undefined],
    [['__proto__', 'x'], 7],
  ])('%j finds %j', (path, found) => {
    expect(pick(value, path)).toEqual(found);
    expect(pickAll(value, path)).toEqual(found === undefined ? [] : [found]);
  });
});

describe('a path with a wildcard', () => {
  it.each<[JsonPath, readonly unknown[]]>([
    [
      ['list', null, 'n'],
      [1, null, 3],
    ],
    [
      ['a', null],
      [1, 2],
    ],
    [['empty', null], []],
    [['exact', null], []],
    [['list', 3, null], []],
    [['missing', null, 'n'], []],
    [[null, 0], [{ n: 1 }]],
    [
      ['list', null, null],
      [1, null, 3],
    ],
  ])('%j finds %j', (path, found) => {
    expect(pickAll(value, path)).toEqual(found);
  });
});
