// What happens in a run, drawn from its seed before it starts: what clients send and when, which catalogs come into
// force, and which faults strike. A failing run is shrunk by leaving entries out, so each entry stands for itself.
import type { Catalog } from '../../domain/catalog/catalog.ts';
import type { Random } from '../../domain/random.ts';
import { catalogsOf } from './catalogs.ts';
import type { Assigning } from './stores/account-model.ts';
import { racedCalls } from './stores/rating-model.ts';
import { drawSubscribing, type Subscribing } from './subscribing.ts';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
/** A Friday evening. */
export const STARTS_AT = Date.UTC(2026, 10, 27, 20);
export const ENDS_AT = STARTS_AT + 7 * DAY;
export const PARTITIONS = 12;
export const GATEWAYS = 3;
export const AGGREGATORS = 4;
export const RATERS = 3;
const TENANTS = ['acme', 'globex', 'acme-b'];

/** An event as a client writes it. */
export interface ClientEvent {
  readonly id: string;
  readonly source?: string;
  readonly type: string;
  readonly subject: string;
  readonly time?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface ClientRequest {
  readonly at: number;
  readonly tenant: string;
  readonly events: readonly ClientEvent[];
  /** How often the client sends the request again when it gets no 200. */
  readonly retries: number;
}

type FaultKind =
  | 'crash'
  | 'crash after responses'
  | 'pause'
  | 'pause after responses'
  | 'move partition'
  | 'shuffle partitions'
  | 'log call'
  | 'log copies'
  | 'log gap'
  | 'log away'
  | 'log clock back'
  | 'log clock ahead'
  | 'log expires'
  | 'log expires too much'
  | 'log garbage'
  | 'clickhouse call'
  | 'clickhouse partial insert'
  | 'clickhouse stale replica'
  | 'clickhouse crash'
  | 'clickhouse loses a part'
  | 'postgres call'
  | 'postgres commit'
  | 'postgres fails over'
  | 'raters at once';

export interface Fault {
  readonly at: number;
  readonly kind: FaultKind;
  /** Numbers that say which and how much, each in [0, 1). */
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export interface CatalogChange {
  readonly at: number;
  /** Whose catalog it is to be; null: the default. */
  readonly tenant: string | null;
  /** Those of a queue are published one after the other. */
  readonly queue: string;
  /** By what its tenant, or the default, has by then. */
  readonly catalog: (had: Catalog | null) => Catalog;
  /** How long after it was made it takes effect; negative: so long before, and what was rated is rated again. */
  readonly afterMs: number;
  readonly appliesTo: 'running' | 'next';
}

/** A change of an account, and when it is asked for. */
interface Planned {
  readonly at: number;
  /**
   * Not null: begun when a rater makes this call the next time, from an instant among those that its step closes, by
   * its share of them; the instant that the change names does not count then.
   */
  readonly during: { readonly call: (typeof racedCalls)[number]; readonly share: number } | null;
}

export interface PlannedAssignment extends Planned {
  readonly assigning: Assigning;
}

export interface PlannedSubscribing extends Planned {
  readonly subscribing: Subscribing;
}

/** A meter is to be counted again. */
export interface PlannedRecount {
  readonly at: number;
  /** Where it is not in force yet: the first one is. */
  readonly meter: string;
  readonly from: number;
  readonly to: number | null;
  readonly tenant: string | null;
  /** What happens when rows of a revision are written the next time. */
  readonly disturbed: (typeof disturbances)[number] | null;
}

/** Its rows go before they are read back; its owner stands still; its chunk is repaired; events of it are lost. */
const disturbances = ['rows go', 'owner stands still', 'chunk is repaired', 'events go'] as const;

export interface Plan {
  readonly seed: number;
  readonly requests: readonly ClientRequest[];
  readonly faults: readonly Fault[];
  readonly catalogs: readonly CatalogChange[];
  /** Whom subjects are assigned to; some are refused. */
  readonly assignments: readonly PlannedAssignment[];
  /** What becomes of customers' subscriptions; some are refused. */
  readonly subscribings: readonly PlannedSubscribing[];
  readonly recounts: readonly PlannedRecount[];
  readonly chunkOffsets: number;
  readonly slotMs: number;
  readonly horizonMs: number;
  readonly allowedLatenessMs: number;
  readonly flushIntervalMs: number;
  readonly tickIntervalMs: number;
  readonly ratingIntervalMs: number;
  readonly batchCustomersMax: number;
  readonly markedCustomersMax: number;
  readonly stepWindowsMax: number;
  readonly leaseMs: number;
  /** From when on aggregators that start are of the release that brought rule sets 2 and 3. */
  readonly upgradeAt: number;
}

const weights: Readonly<Record<FaultKind, number>> = {
  crash: 6,
  'crash after responses': 12,
  pause: 6,
  'pause after responses': 10,
  'move partition': 16,
  'shuffle partitions': 2,
  'log call': 14,
  'log copies': 6,
  'log gap': 5,
  'log away': 2,
  'log clock back': 3,
  'log clock ahead': 2,
  'log expires': 3,
  'log expires too much': 0.6,
  'log garbage': 4,
  'clickhouse call': 22,
  'clickhouse partial insert': 8,
  'clickhouse stale replica': 4,
  'clickhouse crash': 4,
  'clickhouse loses a part': 2.5,
  'postgres call': 12,
  'postgres commit': 14,
  'postgres fails over': 3,
  'raters at once': 8,
};

export function planOf(random: Random): Plan {
  const rules = random.fork('rules');
  const horizonMs = rules.int(24, 60) * HOUR;
  // Clients are busy now and then, so that what they do at once meets itself and the faults.
  const busy = Array.from({ length: 40 }, () => rules.int(STARTS_AT + 60_000, ENDS_AT - HOUR)).sort((a, b) => a - b);
  return {
    seed: random.seed,
    requests: requestsOf(random.fork('requests'), busy, horizonMs, random.fork('density').pick(densities)),
    faults: faultsOf(random.fork('faults'), busy),
    catalogs: catalogsOf(random.fork('catalogs'), TENANTS),
    chunkOffsets: rules.int(8, 40),
    slotMs: rules.pick([4, 8, 12]) * HOUR,
    horizonMs,
    allowedLatenessMs: rules.pick([0, 10 * 60_000, 2 * HOUR]),
    flushIntervalMs: rules.pick([5_000, 60_000, HOUR]),
    tickIntervalMs: rules.pick([3, 4, 6]) * HOUR,
    ratingIntervalMs: rules.pick([7, 12, 20]) * HOUR,
    batchCustomersMax: rules.pick([4, 200]),
    markedCustomersMax: random.fork('marked').pick([1, 100]),
    stepWindowsMax: random.fork('step windows').pick([5, 100_000, 100_000]),
    leaseMs: random.fork('lease').pick([HOUR, 2 * HOUR]),
    assignments: assignmentsOf(random.fork('assignments'), busy),
    subscribings: subscribingsOf(random.fork('subscribings'), busy),
    recounts: recountsOf(random.fork('recounts'), busy),
    upgradeAt: random.fork('upgrade').int(STARTS_AT, STARTS_AT + (ENDS_AT - STARTS_AT) / 2),
  };
}

function weighted<Kind>(at: number, kinds: readonly (readonly [Kind, number])[]): Kind {
  let sum = 0;
  for (const [kind, weight] of kinds) {
    sum += weight;
    if (at < sum) return kind;
  }
  return kinds[0]![0];
}

function faultsOf(random: Random, busy: readonly number[]): Fault[] {
  const kinds = Object.entries(weights) as [FaultKind, number][];
  const total = kinds.reduce((sum, [, weight]) => sum + weight, 0);
  const faults: Fault[] = [];
  for (let left = random.int(100, 300); left > 0; left--) {
    const kind = weighted(random.next() * total, kinds);
    // Where something is going on: while clients send, and just after the full hours, when ticks end chunks.
    const base = random.chance(0.6)
      ? random.pick(busy)
      : STARTS_AT + HOUR * random.int(1, Math.floor((ENDS_AT - STARTS_AT) / HOUR) - 1);
    faults.push({ at: base + random.int(0, 20_000), kind, a: random.next(), b: random.next(), c: random.next() });
  }
  return faults.sort((a, b) => a.at - b.at);
}

/**
 * In three of four runs. Some from then on, which nothing has rated, from a little before, up to where it was, or from
 * a time to come; and some while a rater is in the middle of a step, from an instant of what it closes.
 */
function assignmentsOf(random: Random, busy: readonly number[]): PlannedAssignment[] {
  if (random.chance(0.25)) return [];
  const assignments: PlannedAssignment[] = [];
  for (let left = random.int(10, 60); left > 0; left--) {
    const base = random.chance(0.5)
      ? random.pick(busy)
      : STARTS_AT + HOUR * random.int(1, Math.floor((ENDS_AT - STARTS_AT) / HOUR) - 1);
    const at = base + random.int(0, 20_000);
    const during = random.chance(0.6) ? { call: random.pick(racedCalls), share: random.next() } : null;
    const from = random.pick([null, at - random.spread(1_000, 30 * HOUR), at + random.spread(1_000, 2 * DAY)]);
    const customer = random.pick(['cus_1', 'cus_2', 'cus_3', 'cus_4', 'cus_5', 'cus_6', 'org_1', 'org_2']);
    const of = { tenant: random.pick(TENANTS), subject: `cus_${random.int(1, 6)}` };
    const assigning = { ...of, customer, from, rerate: random.once(3) };
    assignments.push({ at, during, assigning });
  }
  return assignments.sort((a, b) => a.at - b.at);
}

/** In most runs, of some of the customers; the rest have the default plan, or none. */
function subscribingsOf(random: Random, busy: readonly number[]): PlannedSubscribing[] {
  if (random.chance(0.1)) return [];
  const customers = Array.from({ length: random.int(2, 6) }, () => ({
    tenant: random.pick(TENANTS),
    // Nobody of the last two ever uses anything: they are billed where they are due, and at no other time.
    customer: random.pick(['cus_1', 'cus_2', 'cus_3', 'cus_4', 'org_1', 'quiet_1', 'quiet_2']),
  }));
  const subscribings: PlannedSubscribing[] = [];
  for (let left = random.int(10, 60); left > 0; left--) {
    const base = random.chance(0.5)
      ? random.pick(busy)
      : STARTS_AT + HOUR * random.int(0, Math.floor((ENDS_AT - STARTS_AT) / HOUR) - 1);
    const at = base + random.int(0, 20_000);
    const during = random.chance(0.5) ? { call: random.pick(racedCalls), share: random.next() } : null;
    subscribings.push({ at, during, subscribing: drawSubscribing(random, `sub_${left}`, at, random.pick(customers)) });
  }
  return subscribings.sort((a, b) => a.at - b.at);
}

/** Mostly meters that come, or are mended, in the middle of a run. */
const RECOUNTED = [
  'tokens',
  'tokens',
  'tokens',
  'cached',
  'level',
  'level',
  'fresh',
  'of_a',
  'calls',
  'users',
] as const;

/** In four of five runs; some are asked for soon after another one, of the same meter. */
function recountsOf(random: Random, busy: readonly number[]): PlannedRecount[] {
  if (random.once(5)) return [];
  const recounts: PlannedRecount[] = [];
  let last: PlannedRecount | null = null;
  for (let left = random.int(3, 16); left > 0; left--) {
    const isNear: boolean = last !== null && random.once(3);
    const base = random.chance(0.5) ? random.pick(busy) : random.int(STARTS_AT + DAY, ENDS_AT);
    const soon = isNear ? last!.at + random.spread(1_000, 6 * HOUR) : base + random.int(0, 20_000);
    const at = Math.min(soon, ENDS_AT - 1);
    const from = at - random.spread(HOUR, 7 * DAY);
    last = {
      ...{ at, meter: isNear ? last!.meter : random.pick(RECOUNTED), from },
      to: random.chance(0.4) ? from + random.spread(HOUR, 4 * DAY) : null,
      tenant: random.chance(0.4) ? random.pick(TENANTS) : null,
      disturbed: random.chance(0.5) ? random.pick(disturbances) : null,
    };
    recounts.push(last);
  }
  return recounts.sort((a, b) => a.at - b.at);
}

/** How many events a run has, how many of them a request at most, and how many requests say again what was said. */
interface Density {
  readonly events: number;
  readonly eventsAtOnce: number;
  readonly repeats: number;
}

/**
 * Mostly sparse: what is to come due by itself must not be found by usage that comes along, and a window, or a whole
 * billing period, is often empty.
 */
const densities: readonly Density[] = [
  { events: 3_600, eventsAtOnce: 120, repeats: 150 },
  { events: 700, eventsAtOnce: 20, repeats: 80 },
  { events: 150, eventsAtOnce: 6, repeats: 30 },
];

function requestsOf(
  random: Random,
  busy: readonly number[],
  horizonMs: number,
  { events: eventsMax, eventsAtOnce, repeats }: Density,
): ClientRequest[] {
  const requests: ClientRequest[] = [];
  const sent: { readonly tenant: string; readonly event: ClientEvent; readonly at: number }[] = [];
  const add = (at: number, tenant: string, events: ClientEvent[]): void => {
    if (at < ENDS_AT - 60_000) requests.push({ at, tenant, events, retries: random.pick([0, 1, 3, 8, 8, 8]) });
  };
  let id = 0;
  while (id < eventsMax) {
    const start = random.pick(busy);
    for (let n = random.int(2, 12); n > 0; n--) {
      // Clients that send at the same moment share a batch of the gateway.
      const at = start + random.pick([0, 2, 2, 3, 5, 5, 200, random.int(0, 20_000)]);
      const tenant = random.pick(TENANTS);
      const events = Array.from({ length: random.spread(1, eventsAtOnce) }, () =>
        newEvent(random, at, `e${id++}`, horizonMs),
      );
      add(at, tenant, events);
      for (const event of events) sent.push({ tenant, event, at });
      // Sent twice at once, by way of two gateways; or again at any time, up to when its key is long dead.
      if (random.chance(0.1)) add(at + random.spread(1, 2_000), tenant, events);
      if (random.chance(0.1)) add(at + random.spread(1_000, 4 * DAY), tenant, events);
    }
  }
  for (let n = repeats; n > 0; n--) {
    const { tenant, event, at } = random.pick(sent);
    const later = at + random.spread(1, 3 * DAY);
    if (random.chance(0.4)) {
      // The same event with its keys in another order is still the same.
      add(later, tenant, [{ ...event, data: Object.fromEntries(Object.entries(event.data).reverse()) }]);
    } else if (random.chance(0.5)) {
      add(later, tenant, [{ ...event, data: { ...event.data, n: random.int(1, 9) + 1_000 } }]);
    } else {
      // The same id at another tenant or source is another event.
      add(later, random.pick(TENANTS), [{ ...event, source: random.pick(['', 'a', 'b']) }]);
    }
  }
  return requests.sort((a, b) => a.at - b.at);
}

/** Some have usage for some days, and none from then on. */
function subjectAt(random: Random, at: number): string {
  const number = random.int(1, 6);
  const isQuiet = (number === 6 && at > STARTS_AT + 2 * DAY) || (number === 5 && at > STARTS_AT + 4 * DAY);
  return `cus_${isQuiet ? random.int(1, 4) : number}`;
}

function newEvent(random: Random, at: number, id: string, horizonMs: number): ClientEvent {
  const subject = subjectAt(random, at);
  const type = random.pick(['call', 'call', 'call', 'gauge', 'login', 'other']);
  const data: Record<string, unknown> = { model: random.pick(['a', 'b', "c'\t"]) };
  if (random.chance(0.95))
    data.n = random.chance(0.3) ? `${random.int(0, 40)}.${random.int(1, 99)}` : random.int(0, 500);
  if (random.chance(0.04)) data.n = Number(`${random.int(1, 9)}.${random.int(1e12, 9e12)}7`);
  // Some of it is taken back.
  if (random.chance(0.04)) data.n = -random.int(1, 400);
  if (random.chance(0.3)) data.c = random.int(1, 20);
  // Numbers as the world writes them: what they are depends on the rule set.
  if (random.chance(0.05))
    data.n = random.pick<unknown>(['1e2', '2.50E-1', 0.12345678901234, 12.0000000000005, 'many']);
  if (random.chance(0.03)) data.c = random.pick<unknown>(['none', 1e-7, true]);
  if (random.chance(0.05)) data.model = random.pick<unknown>([1e-7, '0.0000001', 30, 0.5, []]);
  if (type === 'login') data.user = `u${random.int(1, 30)}`;
  if (type === 'gauge')
    data.v = random.once(8) ? `${random.int(1, 900)}.${random.int(1e12, 9e12)}5` : random.int(-50, 1_000);
  const kind = random.next();
  if (kind < 0.3) return { id, type, subject, data };
  // Mostly now, some late, a few at the very edge of the horizon or a little ahead.
  const ago =
    kind < 0.75
      ? random.int(-60_000, 60_000)
      : kind < 0.95
        ? random.spread(60_000, 20 * HOUR)
        : kind < 0.98
          ? horizonMs + random.int(-30_000, 90 * 60_000)
          : -random.int(0, 240_000);
  const time = new Date(at - ago).toISOString();
  return { id, type, subject, time, ...(random.chance(0.2) && { source: 'app' }), data };
}
