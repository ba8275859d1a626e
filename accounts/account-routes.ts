// The routes of accounts, each a row. What the app serves and the OpenAPI document's parameters are made from this
// table.
import type { ReadParameters } from '../domain/requests/parameters.ts';
import type { AccountRoute } from './account-route.ts';
import { auditRoutes } from './routes/audit-routes.ts';
import { catalogRoutes } from './routes/catalog-routes.ts';
import { customerRoutes } from './routes/customer-routes.ts';
import { previewRoutes } from './routes/preview-routes.ts';
import { recountRoutes } from './routes/recount-routes.ts';
import { subjectRoutes } from './routes/subject-routes.ts';
import { subscriptionRoutes } from './routes/subscription-routes.ts';

export const accountRoutes: readonly AccountRoute[] = [
  ...customerRoutes,
  ...subjectRoutes,
  ...previewRoutes,
  ...subscriptionRoutes,
  ...catalogRoutes,
  ...recountRoutes,
  ...auditRoutes,
];

/** By path, those that take parameters. */
export const accountReads: Readonly<Record<string, { readonly parameters: ReadParameters }>> = Object.fromEntries(
  accountRoutes.filter(({ method }) => method === 'GET').map(({ path, parameters }) => [path, { parameters }]),
);
