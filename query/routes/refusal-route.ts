// GET /v1/refusals: what gateways refused lately, by key and code, with examples.

import { anyText, parametersOf, readParameters, wholeNumber } from '../../domain/requests/parameters.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { type RefusedEvent, readRefusals } from '../../platform/refusals/refusal-store.ts';
import type { Read } from '../read.ts';

const REFUSALS_DEFAULT = 100;
const REFUSALS_MAX = 1_000;

export const refusalParameters = parametersOf({
  code: anyText('Only those with this code').optional(),
  limit: wholeNumber(REFUSALS_MAX, REFUSALS_DEFAULT, 'Rows in an answer, the latest first'),
});

export const refusedEvent = ({ id, source, type, subject, time, message, at }: RefusedEvent) => ({
  ...{ id, source, type, subject, time, message },
  at: formatRfc3339(at),
});

export const listRefusals: Read = async ({ pool }, { tenant, customer, parameters }) => {
  const { code = null, limit } = readParameters(refusalParameters, parameters);
  const found = await readRefusals(pool, { tenant, customer, code, rowsMax: limit });
  return {
    data: found.map((row) => ({
      ...{ key: row.keyId, keyName: row.keyName, code: row.code, count: row.count },
      firstAt: formatRfc3339(row.firstAt),
      lastAt: formatRfc3339(row.lastAt),
      examples: row.examples.map(refusedEvent),
    })),
  };
};
