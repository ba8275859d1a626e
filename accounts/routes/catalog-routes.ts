// GET /v1/catalog and POST /v1/catalog/diff: the catalog that a tenant has, and what another one would change.

import { diffCatalogs } from '../../domain/catalog/catalog-diff.ts';
import { catalogForm, catalogOfTenant } from '../../domain/catalog/catalog-form.ts';
import { windowChoices } from '../../domain/catalog/window-choice.ts';
import { noParameters, readParameters } from '../../domain/requests/parameters.ts';
import { catalogMeanings, latestCatalog, refusedMeters } from '../../platform/catalog-store.ts';
import { type AccountAct, type AccountRoute, listAnswer } from '../account-route.ts';
import { timeOrNull } from '../core/account-answers.ts';
import { readCatalogBody } from '../core/catalog-body.ts';

const getCatalog: AccountAct = async ({ reads }, { author: { tenant }, parameters }) => {
  readParameters(noParameters, parameters);
  const { version, effectiveAt, catalog } = await latestCatalog(reads);
  return {
    ...{ status: 200, version },
    body: {
      version,
      effectiveAt: timeOrNull(version === 0 ? null : effectiveAt),
      catalog: catalogForm(catalogOfTenant(catalog, tenant)),
    },
  };
};

/** It changes nothing, so it takes no Idempotency-Key. */
const diffCatalog: AccountAct = async ({ reads }, { author: { tenant }, parameters, body }) => {
  readParameters(noParameters, parameters);
  const wanted = readCatalogBody(body, tenant);
  const latest = await latestCatalog(reads);
  const had = latest.version === 0 ? null : catalogOfTenant(latest.catalog, tenant);
  const { changes, refusals } = diffCatalogs(had, wanted, await catalogMeanings(reads));
  return listAnswer({
    version: latest.version,
    changes,
    refusals: [...refusals, ...(await refusedMeters(reads, wanted))],
    windows: windowChoices(wanted.meters, changes),
  });
};

export const catalogRoutes: readonly AccountRoute[] = [
  { method: 'GET', path: '/v1/catalog', scope: 'manage', parameters: noParameters, act: getCatalog },
  {
    ...{ method: 'POST', path: '/v1/catalog/diff', scope: 'manage', parameters: noParameters, act: diffCatalog },
    takesYaml: true,
  },
];
