import { describe, expect, it } from '@jest/globals';
import type { QueryParameters } from '../../domain/requests/parameters.ts';
import { namingSubjects } from './named-subjects.ts';

const codeOf = (parameters: QueryParameters, subjects: readonly string[]): unknown => {
  try {
    return namingSubjects(parameters, subjects);
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

describe('namingSubjects', () => {
  it('names all of them where the request names none', () => {
    expect(namingSubjects({ limit: '5' }, ['a'])).toEqual({ limit: '5', subject: 'a' });
    expect(namingSubjects({}, ['a', 'b'])).toEqual({ subject: ['a', 'b'] });
  });

  it('leaves a request that names some of them as it is, and refuses one that names another', () => {
    for (const subject of ['a', ['a'], ['b', 'a']]) {
      expect(codeOf({ subject }, ['a', 'b'])).toEqual({ subject });
    }
    for (const subject of ['c', ['a', 'c'], '', 'A', ['a\0']]) {
      expect(codeOf({ subject }, ['a', 'b'])).toBe('outside_customer');
    }
  });
});
