// The customers with a subscription, made and changed over HTTP as any client would. What was agreed is noted as it was
// answered, instants and all.
import type { components } from '../schemas/openapi.d.ts';
import type { Agreements } from './account/agreements.ts';

type Answer = Pick<
  components['schemas']['Subscription'],
  'id' | 'customer' | 'billedFrom' | 'endsAt' | 'anchor' | 'timezone'
> & { readonly changes: readonly { readonly patches: readonly { readonly at: string; readonly plan?: string }[] }[] };

interface Contract {
  readonly customer: string;
  readonly plan: string;
  /** Where its periods are counted from, or the calendar; milliseconds since the epoch. */
  startsAt(now: number): number;
  /** What becomes of it on the way. */
  readonly act: { readonly name: 'change' | 'cancel'; readonly body: object; readonly words: string } | null;
}

const now = (instant: number): number => instant;

function monthsBack(instant: number, months: number, day: number, hour: number): number {
  const date = new Date(instant);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - months, day, hour);
}

const contracts: readonly Contract[] = [
  { customer: 'cus_giant', plan: 'enterprise', startsAt: (at) => monthsBack(at, 0, 1, 0), act: null },
  { customer: 'cus_team', plan: 'team', startsAt: (at) => monthsBack(at, 1, 15, 13), act: null },
  {
    ...{ customer: 'cus_grown', plan: 'pay-as-you-go', startsAt: now },
    act: { name: 'change', body: { at: 'now', plan: 'team' }, words: 'goes from pay-as-you-go to team' },
  },
  {
    ...{ customer: 'cus_shrunk', plan: 'team', startsAt: now },
    act: { name: 'change', body: { at: 'now', plan: 'pay-as-you-go' }, words: 'goes from team to pay-as-you-go' },
  },
  {
    ...{ customer: 'cus_left', plan: 'team', startsAt: now },
    act: { name: 'cancel', body: { at: 'now' }, words: 'cancels team' },
  },
];

/** By traffic. */
export const subscribers = contracts.map(({ customer }) => customer);

export class Contracts {
  private readonly url: string;
  private readonly apiKey: string;
  private readonly agreements: Agreements;

  constructor({ url, apiKey }: { readonly url: string; readonly apiKey: string }, agreements: Agreements) {
    this.url = url;
    this.apiKey = apiKey;
    this.agreements = agreements;
  }

  async open(): Promise<void> {
    for (const { customer, plan, startsAt } of contracts) {
      await this.send('PUT', `/v1/customers/${customer}`, {});
      const body = { customer, plan, startsAt: new Date(startsAt(Date.now())).toISOString() };
      this.note(await this.send('PUT', `/v1/subscriptions/sub-${customer}`, body));
    }
  }

  /** Upgrade, downgrade and cancellation; resolves to what was done, in words. */
  async change(): Promise<string[]> {
    const done: string[] = [];
    for (const { customer, act } of contracts) {
      if (act === null) continue;
      this.note(await this.send('POST', `/v1/subscriptions/sub-${customer}/${act.name}`, act.body));
      done.push(`${customer} ${act.words}`);
    }
    return done;
  }

  private note({ id, customer, billedFrom, endsAt, anchor, timezone, changes }: Answer): void {
    const patches = changes.flatMap((change) => change.patches);
    this.agreements.subscribe({
      ...{ customer, id, timezone, billedFrom: Date.parse(billedFrom) },
      anchor: anchor === 'calendar' ? anchor : Date.parse(anchor),
      plans: patches.flatMap(({ at, plan }) => (plan === undefined ? [] : [{ at: Date.parse(at), plan }])),
      endsAt: endsAt === null ? null : Date.parse(endsAt),
    });
  }

  private async send(method: 'PUT' | 'POST', path: string, body: object): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.apiKey}`,
        'content-type': 'application/json',
        ...(method === 'POST' && { 'idempotency-key': `demo${path}` }),
      },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 500)}`);
    return JSON.parse(text) as Answer;
  }
}
