// What a key may do with accounts: asked here, and nowhere else. Until keys have scopes each may do everything within
// its tenant.
import type { Identity } from '../platform/access/keyring.ts';

export type Scope = 'read' | 'manage';

/** Throws a `Problem` where the key may not. */
export function requireScope(_identity: Identity, _scope: Scope): void {}
