// Who asks, in a test that is not about keys: it may do everything within its tenant.
import type { Identity } from '../../platform/access/keyring.ts';
import { scopeSet } from '../../platform/access/scopes.ts';

export const anIdentity = (tenant: string, given: Partial<Identity> = {}): Identity => ({
  ...{ tenant, keyId: tenant, isOperator: false, scopes: scopeSet(['admin']), customer: null },
  ...given,
});
