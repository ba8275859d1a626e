// GET /v1/catalog and POST /v1/catalog/diff: the catalog that a tenant has, and what another one would change.

import { diffCatalogs } from '../../domain/catalog/catalog-diff.ts';
import { catalogForm } from '../../domain/catalog/catalog-form.ts';
import { windowChoices } from '../../domain/catalog/window-choice.ts';
import { noParameters, readParameters } from '../../domain/requests/parameters.ts';
import { refusedByState } from '../../platform/catalog-store.ts';
import { type AccountAct, type AccountRoute, listAnswer } from '../account-route.ts';
import { timeOrNull } from '../core/account-answers.ts';
import { readCatalogBody } from '../core/catalog-body.ts';

const getCatalog: AccountAct = async ({ catalogs }, { parameters }) => {
  readParameters(noParameters, parameters);
  const { versions, newest } = await catalogs();
  const { version, effectiveAt } = versions.at(-1) ?? { version: 0, effectiveAt: null };
  const body = { version, effectiveAt: timeOrNull(effectiveAt), catalog: catalogForm(newest) };
  return { status: 200, version, body };
};

/** It changes nothing, so it takes no Idempotency-Key. */
const diffCatalog: AccountAct = async ({ reads, catalogs }, { parameters, body }) => {
  readParameters(noParameters, parameters);
  const wanted = readCatalogBody(body);
  const { versions } = await catalogs();
  const history = versions.map(({ catalog }) => catalog);
  const { changes, refusals } = diffCatalogs(history.at(-1) ?? null, wanted, history);
  return listAnswer({
    version: versions.at(-1)?.version ?? 0,
    changes,
    refusals: [...refusals, ...(await refusedByState(reads, wanted))],
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
