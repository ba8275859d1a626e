// Rows of the tenants whose catalog a version changes, as a condition of SQL.
import type { TenantsOfVersion } from '../../domain/catalog/tenant-versions.ts';

/** `parameter`: its place in the statement, such as `$1`, and what stands there. */
export const tenantCondition = (
  tenants: TenantsOfVersion,
  column: string,
  parameter: string,
): { readonly sql: string; readonly value: string | readonly string[] } =>
  'tenant' in tenants
    ? { sql: `${column} = ${parameter}`, value: tenants.tenant }
    : { sql: `${column} <> ALL (${parameter})`, value: tenants.except };
