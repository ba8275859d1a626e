// Minimums of a price and of a plan, from events in the log to line items in Postgres: what a closed period fell short of,
// what late events and corrections change, without usage too, and what `verify` recounts.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Decimal } from '../../domain/number/decimal.ts';
import { verify } from '../../rater/audit/verify/verify.ts';
import { Installation } from '../support/processes/installation.ts';
import { soundCatalog } from '../support/sound-catalog.ts';
import { subscribe } from '../support/subscribe.ts';
import { until } from '../support/until.ts';

const catalog = soundCatalog(
  `currency: USD
meters:
  - { slug: units, eventType: call, aggregation: sum, value: data.n, window: 1h }
plans:
  - slug: pro
    minimum: { amount: "50", every: { days: 1 } }
    prices:
      - { slug: base, model: flat, flatAmount: "10", every: { days: 1 } }
      - { slug: units, meter: units, model: per_unit, unitAmount: "1", every: { days: 1 }, minimum: "20" }
`,
  'the catalog of the test',
);

const DAY_MS = 86_400_000;
/** A day that is over, and closed. */
const day = Math.floor(Date.now() / DAY_MS) * DAY_MS - 2 * DAY_MS;

let installation: Installation;

beforeAll(async () => {
  installation = await Installation.start();
  await installation.apply(catalog);
  await installation.startAggregator();
}, 300_000);

afterAll(() => installation?.stop());
