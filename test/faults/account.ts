// What was sent and acknowledged, and what must have become of it, kept apart from Tallyline: the independent account
// of cli/demo. An event enters it when its request was acknowledged; requests are repeated until they are.

import { Oracle } from '../../demo/account/oracle.ts';
import type { SendResult } from '../../demo/sender.ts';
import { soundCatalog } from '../support/sound-catalog.ts';

export const catalogYaml = `
currency: USD
meters:
  - { slug: tokens, eventType: llm.completion, aggregation: sum, value: data.tokens, groupBy: { model: data.model }, window: 1m }
  - { slug: calls, eventType: llm.completion, aggregation: count, groupBy: { model: data.model }, window: 1m }
plans:
  - slug: standard
    calendar: true
    prices:
      - { slug: large, meter: tokens, match: { model: m-large }, model: per_unit, unitAmount: "0.000003" }
      - slug: small
        meter: tokens
        match: { model: m-small }
        model: graduated
        tiers: [ { upTo: "1000000", unitAmount: "0.00000015" }, { upTo: null, unitAmount: "0.0000001" } ]
      - { slug: calls, meter: calls, model: package, packageSize: "100", packageAmount: "0.01" }
  - slug: committed
    afterEnd: none
    prices:
      - { slug: all, meter: tokens, model: volume, tiers: [ { upTo: "5000000", unitAmount: "0.000002" }, { upTo: null, unitAmount: "0.000001" } ] }
      - { slug: base, model: flat, flatAmount: "25" }
defaultPlan: standard
`;
const committed = { subject: 'cus_0', plan: 'committed', startsAt: '2026-01-15T00:00:00Z' };
/** As `tallyline import subscriptions` takes it from a catalog of an earlier release. */
export const subscriptionsYaml = JSON.stringify({ subscriptions: [committed] });

export const models = ['m-large', 'm-small'];

export class Account {
  readonly catalog = soundCatalog(catalogYaml, 'the catalog of the fault tests');
  readonly oracle = new Oracle(this.catalog);
  /** In the form that demo/account/comparison.ts compares. */
  readonly sent: SendResult = {
    sent: 0,
    acknowledged: 0,
    rejectedByCode: new Map(),
    surprises: [],
    surpriseCount: 0,
    resent: 0,
    deferred: 0,
  };

  constructor() {
    const { subject, plan, startsAt } = committed;
    const start = Date.parse(startsAt);
    this.oracle.agreements.subscribe({
      ...{ customer: subject, id: `${subject} from ${startsAt}`, billedFrom: start, anchor: start, timezone: 'UTC' },
      ...{ plans: [{ at: start, plan }], endsAt: null },
    });
  }

  surprise(what: string): void {
    this.sent.surpriseCount++;
    if (this.sent.surprises.length < 20) this.sent.surprises.push(what);
  }
}
