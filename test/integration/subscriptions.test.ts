// Subscriptions over HTTP, on a real Postgres: what is made, changed and undone, who sees what, what is refused.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { lockCustomers } from '../../platform/billing-store/billing-periods.ts';
import { type AccountsApi, etag, type HttpRequest, startAccountsApi } from '../support/processes/accounts-api.ts';
import { soundCatalog } from '../support/sound-catalog.ts';
import { until } from '../support/until.ts';
import { insertCatalog } from '../support/usage-rows.ts';

const CATALOG = `
currency: EUR
meters:
  - { slug: tokens, eventType: llm, aggregation: sum, value: data.n, groupBy: { model: data.model }, window: 1h }
  - { slug: calls, eventType: llm, aggregation: count, window: 1h }
plans:
  - slug: solo
    calendar: true
    timezone: UTC
    prices:
      - { slug: tokens, meter: tokens, model: per_unit, unitAmount: "0.02" }
      - { slug: fee, model: flat, flatAmount: "10" }
  - slug: team
    timezone: Europe/Berlin
    prices:
      - { slug: tokens, meter: tokens, model: per_unit, unitAmount: "0.01" }
      - { slug: fee, model: flat, flatAmount: "90" }
  - slug: support
    prices: [{ slug: support, model: flat, flatAmount: "50" }]
  - slug: support-2
    prices: [{ slug: support-2, model: flat, flatAmount: "50" }]
  - slug: large-model
    prices: [{ slug: large, meter: tokens, match: { model: l }, model: per_unit, unitAmount: "0.5" }]
  - slug: surcharge
    prices: [{ slug: on-top, meter: tokens, overlap: true, model: per_unit, unitAmount: "0.01" }]
`;

let api: AccountsApi;
beforeAll(async () => {
  api = await startAccountsApi();
  await insertCatalog(api.pool, 1, soundCatalog(CATALOG, 'c.yaml'), new Date('2020-01-01'));
  for (const [id, body] of Object.entries({ a: { timezone: 'Asia/Kolkata' }, b: {}, usd: { currency: 'USD' } }))
    await api.send('PUT', `/v1/customers/${id}`, { body });
  await api.send('PUT', '/v1/customers/gone', { body: {} });
  await api.send('POST', '/v1/customers/gone/archive', { headers: { 'idempotency-key': 'gone' } });
}, 300_000);
afterAll(() => api?.stop());

let customers = 0;
const newCustomer = async (body: object = {}): Promise<string> => {
  const id = `customer-${++customers}`;
  await api.send('PUT', `/v1/customers/${id}`, { body });
  return id;
};
const put = (id: string, body: unknown, request: HttpRequest = {}) =>
  api.send('PUT', `/v1/subscriptions/${encodeURIComponent(id)}`, { ...request, body });
const get = (id: string, tenant = 'acme') => api.send('GET', `/v1/subscriptions/${encodeURIComponent(id)}`, { tenant });
let keys = 0;
const post = (id: string, act: string, body: unknown, request: HttpRequest = {}) =>
  api.send('POST', `/v1/subscriptions/${encodeURIComponent(id)}/${act}`, {
    ...request,
    ...(body !== undefined && { body }),
    headers: { 'idempotency-key': `k${++keys}`, ...request.headers },
  });
const changesOf = async (id: string): Promise<number> => {
  const { rows } = await api.pool.query(
    "SELECT 1 FROM tallyline.account_changes WHERE kind = 'subscription' AND id = $1",
    [id],
  );
  return rows.length;
};
const rated = (until: string | null) => api.pool.query('UPDATE tallyline.rater_shards SET closed_up_to = $1', [until]);
const closing = (until: string | null) =>
  api.pool.query('UPDATE tallyline.rater_shards SET closing_up_to = $1', [until]);
const inDays = (days: number): string => formatRfc3339(Date.now() + days * 86_400_000);
const PAST = '2026-01-31T00:00:00Z';

/** Of a subscription of a customer of its own, that began long ago and bills since then. */
async function running(id: string, more: object = {}): Promise<void> {
  const customer = await newCustomer();
  const { status, body } = await put(id, { customer, plan: 'solo', startsAt: PAST, billedFrom: PAST, ...more });
  expect([status, body.status]).toEqual([201, 'active']);
}

describe('a subscription', () => {
  it('is made once, and told whole', async () => {
    const before = Date.now();
    const given = { customer: 'a', plan: 'solo', startsAt: PAST, quantities: { seats: '10.0' } };
    const made = await put('whole', given);
    expect(made.status).toBe(201);
    const { billedFrom, createdAt, changes, ...rest } = made.body;
    expect(rest).toEqual({
      ...{ id: 'whole', customer: 'a', status: 'active', plan: 'solo', quantities: { seats: '10' }, overrides: [] },
      ...{
        discounts: [],
        startsAt: PAST,
        endsAt: null,
        trialEndsAt: null,
        pausedUntil: null,
        anchor: 'calendar',
        version: 1,
      },
      ...{ timezone: 'Asia/Kolkata', updatedAt: createdAt },
    });
    // T10: what lies before is not billed.
    expect(Date.parse(billedFrom)).toBeGreaterThanOrEqual(before - 1_000);
    expect(changes).toEqual([
      {
        ...{ change: 1, recordedAt: createdAt, undoes: null, at: null },
        patches: [{ at: PAST, plan: 'solo', quantities: { seats: '10' } }],
      },
    ]);
    const again = await put('whole', { ...given, quantities: { seats: '10' }, reason: 'sent again' });
    expect([again.status, etag(again), again.body]).toEqual([200, '"1"', made.body]);
    expect(await changesOf('whole')).toBe(1);
    // A3: whoever lost an answer sends the request again, with what it had seen then.
    for (const ifMatch of ['"7"', '*']) {
      const lost = await put('whole', given, { headers: { 'if-match': ifMatch } });
      expect([lost.status, lost.body]).toEqual([200, made.body]);
    }
    const other = await put('whole', { ...given, plan: 'team' });
    expect([other.status, other.body.code, other.body.version]).toEqual([412, 'version_mismatch', 1]);
    const seen = await put('none by this id', given, { headers: { 'if-match': '*' } });
    expect([seen.status, seen.body.code, seen.body.version]).toEqual([412, 'version_mismatch', 0]);
    const { terms, ...got } = (await get('whole')).body;
    expect(got).toEqual(made.body);
    expect(terms).toEqual([
      {
        ...{ price: 'fee', plan: 'solo', catalogVersion: 1, quantity: '1', trial: false },
        ...{ from: billedFrom, to: null },
      },
      {
        ...{ price: 'tokens', plan: 'solo', catalogVersion: 1, quantity: null, trial: false },
        // T1: the window that holds the customer's first start is its own.
        ...{ from: `${billedFrom.slice(0, 13)}:00:00Z`, to: null },
      },
    ]);
  });

  it('has its plan’s zone and anchor where nobody says another', async () => {
    const customer = await newCustomer();
    const { body } = await put('plan-zone', { customer, plan: 'team', startsAt: PAST });
    expect([body.timezone, body.anchor]).toEqual(['Europe/Berlin', PAST]);
    const said = { plan: 'support', startsAt: PAST, anchor: '2026-01-15T00:00:00Z', timezone: 'UTC' };
    const other = await put('own-zone', { customer, ...said });
    expect([other.body.timezone, other.body.anchor]).toEqual(['UTC', '2026-01-15T00:00:00Z']);
  });

  it('may be given ahead, with phases, a trial and an end', async () => {
    const customer = await newCustomer();
    const [start, second, end] = [inDays(1), inDays(31), inDays(61)];
    const { body } = await put('ahead', {
      ...{ customer, plan: 'solo', startsAt: start, endsAt: end, trialDays: 7, timezone: 'UTC' },
      phases: [{ from: second, plan: 'team', quantities: { seats: '3' } }],
    });
    expect([body.status, body.plan, body.billedFrom, body.endsAt]).toEqual(['scheduled', 'solo', start, end]);
    expect(body.trialEndsAt).toBe(inDays(8).slice(0, 11) + start.slice(11));
    const { terms } = (await get('ahead')).body;
    expect(terms.filter(({ price }: { price: string }) => price === 'fee')).toEqual([
      expect.objectContaining({ plan: 'solo', trial: true, from: start, to: body.trialEndsAt }),
      expect.objectContaining({ plan: 'solo', trial: false, from: body.trialEndsAt, to: second }),
      expect.objectContaining({ plan: 'team', trial: false, from: second, to: end }),
    ]);
  });

  it('is not made of what is wrong, and says all of it', async () => {
    const { status, body } = await put('wrong', {
      ...{
        customer: 7,
        plan: 'none',
        startsAt: 'today',
        endsAt: 'x',
        quantities: { 'a b': '1', seats: '-1' },
        extra: 1,
      },
      overrides: [{ slug: 'tokens', meter: 'tokens', model: 'per_unit', unitAmount: 0.1 }, { slug: 'x' }],
      phases: [{ plan: 'team' }, 4],
    });
    expect([status, body.code]).toEqual([400, 'invalid_field']);
    expect(body.faults.map(({ field }: { field: string }) => field)).toEqual([
      ...['extra', 'customer', 'startsAt', 'endsAt', 'plan', 'quantities.a b', 'quantities.seats'],
      ...['overrides[0].unitAmount', 'overrides[1].model', 'phases[0].from', 'phases[1]'],
    ]);
    expect((await get('wrong')).status).toBe(404);
  });

  it.each([
    ['an end before its start', { endsAt: '2026-01-01T00:00:00Z' }, 'endsAt'],
    ['a trial behind its end', { endsAt: '2027-01-01T00:00:00Z', trialEndsAt: '2028-01-01T00:00:00Z' }, 'trialEndsAt'],
    ['two ends of a trial', { trialDays: 3, trialEndsAt: '2028-01-01T00:00:00Z' }, 'trialDays'],
    ['a first bill before its start', { billedFrom: '2026-01-01T00:00:00Z' }, 'billedFrom'],
    ['a phase before its start', { phases: [{ from: '2026-01-01T00:00:00Z', plan: 'team' }] }, 'phases[0].from'],
    [
      'phases out of order',
      {
        phases: [
          { from: '2027-02-01T00:00:00Z', plan: 'team' },
          { from: '2027-01-01T00:00:00Z', plan: 'solo' },
        ],
      },
      'phases[1].from',
    ],
    [
      'a slug with another meaning',
      { overrides: [{ slug: 'tokens', model: 'flat', flatAmount: '1' }] },
      'overrides[0].slug',
    ],
    [
      'a slug twice',
      {
        overrides: [
          { slug: 'n', model: 'flat', flatAmount: '1' },
          { slug: 'n', remove: true },
        ],
      },
      'overrides',
    ],
    ['an unknown customer', { customer: 'nobody' }, 'customer'],
    ['no time zone', { timezone: 'Mars/Base' }, 'timezone'],
  ])('is refused with %s', async (_, more, field) => {
    const { status, body } = await put('refused', { customer: 'b', plan: 'solo', startsAt: PAST, ...more });
    expect([status, body.faults.map((fault: { field: string }) => fault.field)]).toEqual([400, [field]]);
  });

  it.each([
    ['an archived customer', 'gone', 'customer_archived'],
    ['a customer of another currency', 'usd', 'currency_mismatch'],
  ])('is refused for %s', async (_, customer, code) => {
    const { status, body } = await put(`for-${customer}`, { customer, plan: 'solo', startsAt: PAST });
    expect([status, body.code]).toEqual([409, code]);
  });

  it('bills nothing that was rated, T2 and T10', async () => {
    await rated('2026-06-01T00:00:00Z');
    const customer = await newCustomer();
    const given = { customer, plan: 'solo', startsAt: PAST };
    const { status, body } = await put('late', { ...given, billedFrom: '2026-05-01T00:00:00Z' });
    expect([status, body.code, body.earliest]).toEqual([409, 'already_rated', '2026-06-01T00:00:00Z']);
    const { body: made } = await put('late', { ...given, billedFrom: '2026-06-01T00:00:00Z' });
    expect(made.billedFrom).toBe('2026-06-01T00:00:00Z');
    await rated(null);
  });

  it('P3: prices no usage that another one of the customer prices', async () => {
    const customer = await newCustomer();
    const given = { startsAt: PAST, billedFrom: PAST };
    await put('base', { customer, plan: 'solo', ...given });
    const twice = await put('twice', { customer, plan: 'large-model', ...given });
    expect([twice.status, twice.body.code, twice.body.overlap]).toEqual([
      ...[409, 'overlapping_prices'],
      {
        from: PAST,
        prices: expect.arrayContaining([
          { subscription: 'base', price: 'tokens' },
          { subscription: 'twice', price: 'large' },
        ]),
      },
    ]);
    expect((await get('twice')).status).toBe(404);
    expect((await put('add-on', { customer, plan: 'support', ...given })).status).toBe(201);
    const changed = await post('add-on', 'change', { at: 'now', plan: 'large-model' });
    expect([changed.status, changed.body.code, await changesOf('add-on')]).toEqual([409, 'overlapping_prices', 1]);
    // Where the other one ends before.
    await post('base', 'cancel', { at: 'period_end' });
    const { body } = await get('base');
    expect((await post('add-on', 'change', { at: body.endsAt, plan: 'large-model' })).status).toBe(200);
    const undone = await post('base', 'undo', { change: 2 });
    expect([undone.status, undone.body.code]).toEqual([409, 'overlapping_prices']);
  });

  it('P3: prices what others price where it says so, and never by the same slug twice', async () => {
    const customer = await newCustomer();
    const given = { startsAt: PAST, billedFrom: PAST };
    await put('under', { customer, plan: 'solo', ...given });
    expect((await put('on-top', { customer, plan: 'surcharge', ...given })).status).toBe(201);
    const twice = await put('on-top-again', { customer, plan: 'surcharge', ...given });
    expect([twice.status, twice.body.code]).toEqual([409, 'overlapping_prices']);
  });

  it('is one of those who make it at once, and is answered to them all', async () => {
    const [one, other] = [await newCustomer(), await newCustomer()];
    const given = { plan: 'solo', startsAt: PAST };
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => put('at once', { customer: i % 2 === 0 ? one : other, ...given })),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, 200, 200, 201, 412, 412, 412, 412]);
    expect(await changesOf('at once')).toBe(1);
  });

  it('is seen by its tenant alone', async () => {
    await running('private');
    expect((await get('private', 'umbrella')).status).toBe(404);
    expect((await api.send('GET', '/v1/subscriptions', { tenant: 'umbrella' })).body.data).toEqual([]);
    const foreign = await post('private', 'cancel', { at: 'now' }, { tenant: 'umbrella' });
    expect([foreign.status, foreign.body.code]).toEqual([404, 'unknown_subscription']);
  });

  it('is listed in the order in which it was made, page by page', async () => {
    const customer = await newCustomer();
    const ids = ['page-c', 'page-a', 'page-b'];
    for (const id of ids) await put(id, { customer, plan: 'support', startsAt: PAST });
    const met: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query = `customer=${customer}&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const { body } = await api.send('GET', `/v1/subscriptions?${query}`);
      met.push(...body.data.map(({ id }: { id: string }) => id));
      cursor = body.nextCursor;
    }
    expect(met).toEqual(ids);
  });
});

describe('a change', () => {
  it('of the plan holds from now on, or from the period’s end', async () => {
    await running('upgrade');
    const now = await post('upgrade', 'change', { at: 'now', plan: 'team', reason: 'asked for more' });
    expect([now.status, now.body.plan, now.body.version, etag(now)]).toEqual([200, 'team', 2, '"2"']);
    const later = await post('upgrade', 'change', { at: 'period_end', plan: 'solo' });
    const { at } = later.body.changes[2].patches[0];
    const next = new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + 1, 1));
    expect([later.body.plan, later.body.version, Date.parse(at)]).toEqual(['team', 3, next.getTime()]);
    const { body: changes } = await api.send('GET', '/v1/audit?kind=subscription&id=upgrade');
    expect(
      changes.data.map(({ version, reason, after }: { version: number; reason: string; after: { change: object } }) => [
        ...[version, reason, after.change],
      ]),
    ).toEqual([
      [3, null, { undoes: null, at: null, patches: [{ at, plan: 'solo' }] }],
      [2, 'asked for more', { undoes: null, at: null, patches: [{ at: expect.any(String), plan: 'team' }] }],
      [1, null, { undoes: null, at: null, patches: [{ at: PAST, plan: 'solo' }] }],
    ]);
  });

  it('that says what holds anyway is none', async () => {
    await running('same', { quantities: { seats: '5' } });
    const { status, body } = await post('same', 'change', { at: 'now', plan: 'solo', quantities: { seats: '5.0' } });
    expect([status, body.version, await changesOf('same')]).toEqual([200, 1, 1]);
  });

  it('T13: of seats that is recorded later is not lost in one of the plan', async () => {
    await running('seats');
    await post('seats', 'change', { at: inDays(10), plan: 'team' });
    await post('seats', 'change', { at: inDays(5), quantities: { seats: '7' } });
    const { terms } = (await get('seats')).body;
    expect(
      terms.filter(({ price }: { price: string }) => price === 'fee').map(({ plan }: { plan: string }) => plan),
    ).toEqual(['solo', 'team']);
  });

  it('of prices is for the subscription alone, and can be taken back', async () => {
    await running('own-price');
    const price = { slug: 'tokens', meter: 'tokens', model: 'per_unit', unitAmount: '0.015' };
    const { body } = await post('own-price', 'change', { at: 'now', overrides: [price] });
    expect(body.overrides).toEqual([{ ...price, match: {} }]);
    const back = await post('own-price', 'change', { at: 'now', overrides: [{ slug: 'tokens', remove: true }] });
    expect([back.status, back.body.overrides, back.body.version]).toEqual([200, [], 3]);
  });

  it('of discounts is of all of them anew', async () => {
    await running('discounted');
    const discounts = [
      { rate: '0.2', from: '2026-11-01T00:00:00Z' },
      { price: 'tokens', units: '100' },
    ];
    const { body } = await post('discounted', 'change', { at: 'now', discounts });
    expect([body.discounts, body.version]).toEqual([discounts, 2]);
    const { terms } = (await get('discounted')).body;
    expect(terms.map(({ catalogVersion }: { catalogVersion: number | null }) => catalogVersion)).toContain(null);
    const again = await post('discounted', 'change', {
      at: 'now',
      discounts: [discounts[0], { units: '100.0', price: 'tokens' }],
    });
    expect([again.status, again.body.version]).toEqual([200, 2]);
    const none = await post('discounted', 'change', { at: 'now', discounts: [] });
    expect([none.body.discounts, none.body.version]).toEqual([[], 3]);
  });

  it.each([
    ['units of all prices', [{ units: '5' }], 'discounts[0].price: is missing: units, or an amount, are of one price'],
    ['a rate above all', [{ rate: '1.5' }], 'discounts[0].rate: is a fraction, at most 1, got "1.5"'],
    ['no list', {}, 'discounts: must be a list'],
  ])('with discounts that are %s is refused', async (name, discounts, why) => {
    const id = `refused-${name.replaceAll(' ', '-')}`;
    await running(id);
    const { status, body } = await post(id, 'change', { at: 'now', discounts });
    expect([status, body.code]).toEqual([400, 'invalid_field']);
    expect(body.detail).toContain(why);
  });

  it('is made once by its key, and to what its maker has seen', async () => {
    await running('once');
    const send = () =>
      post(
        'once',
        'change',
        { at: 'now', plan: 'team' },
        { headers: { 'idempotency-key': 'once', 'if-match': '"1"' } },
      );
    const first = await send();
    const again = await send();
    expect([first.status, again.status, again.body]).toEqual([200, 200, first.body]);
    expect(await changesOf('once')).toBe(2);
    const stale = await post('once', 'cancel', { at: 'now' }, { headers: { 'if-match': '"1"' } });
    expect([stale.status, stale.body.code, stale.body.version]).toEqual([412, 'version_mismatch', 2]);
  });

  it('of what was rated is refused, T2', async () => {
    await running('rated');
    await rated(inDays(-1));
    const { status, body } = await post('rated', 'change', { at: inDays(-2), plan: 'team' });
    expect([status, body.code]).toEqual([409, 'already_rated']);
    expect((await post('rated', 'change', { at: body.earliest, plan: 'team' })).status).toBe(200);
    await rated(null);
  });

  it.each([
    ['change', { plan: 'team' }],
    ['pause', {}],
    ['cancel', {}],
  ])('%s of what was rated is done where it is rated again, P2', async (name, more) => {
    await running(`again-${name}`);
    await rated(inDays(-1));
    const at = inDays(-2);
    expect((await post(`again-${name}`, name, { at, ...more })).body.code).toBe('already_rated');
    const { status } = await post(`again-${name}`, name, { at, rerate: true, ...more });
    const { rows } = await api.pool.query<{ due: Date }>(
      `SELECT d.due_at AS due FROM tallyline.due_customers d JOIN tallyline.subscriptions s USING (tenant, customer)
       WHERE s.id = $1`,
      [`again-${name}`],
    );
    await rated(null);
    expect([status, rows[0]!.due.getTime() <= Date.parse(at)]).toEqual([200, true]);
  });

  it('that rates again can bring no overlap about in what was rated, P3', async () => {
    const customer = await newCustomer();
    await put('long', { customer, plan: 'solo', startsAt: inDays(-9), billedFrom: inDays(-9), endsAt: inDays(-3) });
    await put('short', { customer, plan: 'support', startsAt: inDays(-9), billedFrom: inDays(-9) });
    await rated(inDays(-1));
    const change = { at: inDays(-5), plan: 'large-model', rerate: true };
    const refused = await post('short', 'change', change);
    const done = await post('short', 'change', { ...change, at: inDays(-2) });
    await rated(null);
    expect([refused.status, refused.body.code, done.status]).toEqual([409, 'overlapping_prices', 200]);
  });

  it.each([
    ['nothing', { at: 'now' }, ['at']],
    ['no instant', { plan: 'team' }, ['at']],
    ['an instant before its start', { at: '2026-01-01T00:00:00Z', plan: 'team' }, ['at']],
    ['an unknown plan', { at: 'now', plan: 'none' }, ['plan']],
  ])('of %s is refused', async (name, body, fields) => {
    const id = `bad-${name}`;
    await running(id);
    const answer = await post(id, 'change', body);
    expect([answer.status, answer.body.faults?.map(({ field }: { field: string }) => field)]).toEqual([400, fields]);
  });

  it('of two at once is two changes, one after the other', async () => {
    await running('busy');
    const seats = Array.from({ length: 8 }, (_, i) => ({ at: 'now', quantities: { [`q${i}`]: '1' } }));
    const answers = await Promise.all(seats.map((body) => post('busy', 'change', body)));
    expect(answers.map(({ status }) => status)).toEqual(seats.map(() => 200));
    expect(answers.map(({ body }) => body.version).sort()).toEqual(seats.map((_, i) => i + 2));
    expect(Object.keys((await get('busy')).body.quantities)).toHaveLength(8);
  });
});

describe('an end, a pause and an undo', () => {
  it('ends now, and is over then', async () => {
    await running('end');
    const { body } = await post('end', 'cancel', { at: 'now', reason: 'left' });
    expect([body.status, body.plan, body.version]).toEqual(['ended', 'solo', 2]);
    for (const act of ['change', 'cancel', 'pause', 'resume', 'undo']) {
      const more = act === 'undo' ? { change: 2 } : { at: 'now', ...(act === 'change' && { plan: 'team' }) };
      const answer = await post('end', act, more);
      expect([act, answer.status, answer.body.code]).toEqual([act, 409, 'subscription_ended']);
    }
  });

  it('ends with its period, and not after all', async () => {
    await running('stay', { endsAt: '2099-01-01T00:00:00Z' });
    const { body: ending } = await post('stay', 'cancel', { at: 'period_end' });
    expect([ending.status, ending.endsAt < '2099']).toEqual(['active', true]);
    expect((await post('stay', 'cancel', { at: 'period_end' })).body.version).toBe(2);
    const { body } = await post('stay', 'undo', { change: 2 });
    expect([body.endsAt, body.version]).toEqual(['2099-01-01T00:00:00Z', 3]);
    const again = await post('stay', 'undo', { change: 2 });
    expect([again.status, again.body.code]).toEqual([409, 'nothing_to_undo']);
  });

  it('never begins where it is ended before', async () => {
    const customer = await newCustomer();
    await put('never', { customer, plan: 'solo', startsAt: inDays(3) });
    const { body } = await post('never', 'cancel', { at: 'now' });
    expect([body.endsAt, body.status]).toEqual([body.startsAt, 'ended']);
    expect((await get('never')).body.terms).toEqual([]);
    // So its usage is free for another one.
    expect((await put('instead', { customer, plan: 'solo', startsAt: inDays(3) })).status).toBe(201);
  });

  it('pauses until somebody resumes it, or until an instant', async () => {
    await running('pause');
    const { body: open } = await post('pause', 'pause', undefined);
    expect([open.status, open.pausedUntil]).toEqual(['paused', 'open']);
    const { body: resumed } = await post('pause', 'resume', {});
    expect([resumed.status, resumed.pausedUntil]).toEqual(['active', null]);
    const twice = await post('pause', 'resume', {});
    expect([twice.status, twice.body.code]).toEqual([409, 'not_paused']);
    const { body: bounded } = await post('pause', 'pause', { at: 'now', until: inDays(4) });
    expect(bounded.status).toBe('paused');
    const past = await post('pause', 'pause', { until: inDays(-1) });
    expect([past.status, past.body.faults[0].field]).toEqual([400, 'until']);
  });

  it('undoes what has not happened, and nothing else', async () => {
    await running('undo');
    await post('undo', 'change', { at: inDays(3), plan: 'team' });
    const { body } = await post('undo', 'undo', { change: 2 });
    expect(body.changes[2]).toMatchObject({ change: 3, undoes: 2 });
    expect((await get('undo')).body.terms.map(({ plan }: { plan: string }) => plan)).toEqual(['solo', 'solo']);
    for (const change of [2, 3, 1]) {
      const answer = await post('undo', 'undo', { change });
      expect([change, answer.status, answer.body.code]).toEqual([change, 409, 'nothing_to_undo']);
    }
    const unknown = await post('undo', 'undo', { change: 9 });
    expect([unknown.status, unknown.body.faults[0].field]).toEqual([400, 'change']);
  });
});

describe('a rating', () => {
  const takeDue = async (customer: string): Promise<string | null> => {
    const { rows } = await api.pool.query<{ due: Date }>(
      "DELETE FROM tallyline.due_customers WHERE tenant = 'acme' AND customer = $1 RETURNING due_at AS due",
      [customer],
    );
    return rows[0]?.due.toISOString() ?? null;
  };
  const sameInstant = (one: string | null, other: string) => expect(new Date(one!)).toEqual(new Date(other));

  it('is due from when on a new one bills, and at once where that is later', async () => {
    const customer = await newCustomer();
    const { body: now } = await put('due-now', { customer, plan: 'support', startsAt: PAST });
    sameInstant(await takeDue(customer), now.billedFrom);
    await put('due-now', { customer, plan: 'support', startsAt: PAST });
    expect(await takeDue(customer)).toBeNull();
    await put('due-past', { customer, plan: 'support-2', startsAt: PAST, billedFrom: PAST });
    sameInstant(await takeDue(customer), PAST);
    const { body: later } = await put('due-later', { customer, plan: 'support-2', startsAt: inDays(40) });
    sameInstant(await takeDue(customer), later.createdAt);
  });

  it('is due from the window on that had begun, where a customer begins', async () => {
    const customer = await newCustomer();
    const { body } = await put('due-begun', { customer, plan: 'solo', startsAt: PAST });
    sameInstant(await takeDue(customer), `${body.billedFrom.slice(0, 10)}T00:00:00Z`);
  });

  it('is due from when on a change is known, or from when on it holds', async () => {
    await running('due');
    const { customer } = (await get('due')).body;
    await takeDue(customer);
    const due = async (act: string, body: unknown) => {
      const answer = await post('due', act, body);
      expect([act, answer.status]).toEqual([act, 200]);
      return { due: await takeDue(customer), change: answer.body.changes.at(-1) };
    };
    for (const [act, body] of [
      ['change', { at: inDays(5), plan: 'team' }],
      ['change', { at: 'now', quantities: { seats: '2' } }],
      ['pause', { until: inDays(2) }],
      ['resume', {}],
      ['cancel', { at: inDays(9) }],
      ['undo', { change: 2 }],
    ] as const) {
      const { due: at, change } = await due(act, body);
      sameInstant(at, change.recordedAt);
    }
    expect((await due('change', { at: 'now', quantities: { seats: '2' } })).due).toBeNull();
    const before = inDays(-3);
    sameInstant((await due('change', { at: before, plan: 'team' })).due, before);
  });

  it('has nothing changed of the windows that it is closing, T2', async () => {
    await running('closing');
    const { customer } = (await get('closing')).body;
    await rated(inDays(-2));
    await closing(inDays(-1));
    try {
      for (const answer of [
        await post('closing', 'change', { at: inDays(-1.5), plan: 'team' }),
        await put('closing-too', { customer, plan: 'support', startsAt: PAST, billedFrom: inDays(-1.5) }),
      ])
        expect([answer.status, answer.body.code]).toEqual([409, 'already_rated']);
    } finally {
      await rated(null);
      await closing(null);
    }
  });

  it.each([
    ['is made', () => put('waits', { customer: 'b', plan: 'support', startsAt: PAST, billedFrom: PAST })],
    ['is changed', () => post('waits-too', 'change', { at: PAST, plan: 'team' })],
  ])('has its customer to itself: what %s meanwhile waits, and finds what that closes', async (_, change) => {
    if (!(await get('waits-too')).body.id)
      await put('waits-too', { customer: 'b', plan: 'solo', startsAt: PAST, billedFrom: PAST });
    const rating = await api.pool.connect();
    try {
      await rating.query('BEGIN');
      await lockCustomers(rating, [{ tenant: 'acme', customer: 'b' }]);
      const changing = change();
      await until(async () => {
        const { rows } = await api.pool.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory'");
        return rows.length > 0;
      }, 'the change waits for the rating');
      await closing('2026-06-01T00:00:00Z');
      await rating.query('COMMIT');
      const { status, body } = await changing;
      expect([status, body.code, body.earliest]).toEqual([409, 'already_rated', '2026-06-01T00:00:00Z']);
    } finally {
      rating.release(true);
      await closing(null);
    }
  });
});
