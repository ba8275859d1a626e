// What a key may do: its scopes, as the bits of a number, so that to ask is one operation. `admin` includes all others,
// whatever comes to be one.
import { Problem } from '../../domain/problem.ts';

export const scopeNames = ['ingest', 'read', 'manage', 'admin'] as const;
export type Scope = (typeof scopeNames)[number];

/** Of a key that is made without a word about it, as keys were before there were scopes. */
export const usualScopes: readonly Scope[] = ['ingest', 'read'];

/** A bit a scope. */
export type ScopeSet = number;

const bitOf = Object.fromEntries(scopeNames.map((name, i) => [name, 1 << i])) as Readonly<Record<Scope, number>>;
const ALL: ScopeSet = (1 << scopeNames.length) - 1;

/** A name that this release does not know gives nothing. */
export const scopeSet = (names: readonly string[]): ScopeSet =>
  names.includes('admin') ? ALL : names.reduce((set, name) => set | (bitOf[name as Scope] ?? 0), 0);

export const scopesIn = (set: ScopeSet): readonly Scope[] => scopeNames.filter((name) => (set & bitOf[name]) !== 0);

/** Throws a `Problem` where the key may not: asked here, and nowhere else. */
export function requireScope({ scopes }: { readonly scopes: ScopeSet }, scope: Scope): void {
  if ((scopes & bitOf[scope]) !== 0) return;
  throw new Problem('insufficient_scope', `This API key does not have the scope "${scope}", which this needs.`, {
    headers: { 'www-authenticate': `Bearer realm="tallyline", error="insufficient_scope", scope="${scope}"` },
    members: { scope },
  });
}
