import { describe, expect, it } from '@jest/globals';
import { Problem } from '../../domain/problem.ts';
import { requireScope, type Scope, scopeNames, scopeSet, scopesIn } from './scopes.ts';

const refusal = (has: readonly string[], scope: Scope): Problem | null => {
  try {
    requireScope({ scopes: scopeSet(has) }, scope);
    return null;
  } catch (error) {
    return error as Problem;
  }
};

describe('requireScope', () => {
  it.each(scopeNames)('%s gives itself, and only admin gives others', (has) => {
    for (const scope of scopeNames) {
      expect(refusal([has], scope) === null).toBe(has === scope || has === 'admin');
    }
  });

  it('names the scope that is missing', () => {
    const problem = refusal(['ingest', 'read'], 'manage')!;
    expect(problem).toBeInstanceOf(Problem);
    expect(problem.document('r')).toMatchObject({ status: 403, code: 'insufficient_scope', scope: 'manage' });
    expect(problem.headers['www-authenticate']).toContain('scope="manage"');
  });

  it('a name that is not known gives nothing', () => {
    expect(scopeSet(['everything', 'constructor', ''])).toBe(0);
    expect(scopesIn(scopeSet(['read', 'ingest']))).toEqual(['ingest', 'read']);
  });
});
