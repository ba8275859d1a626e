// A catalog tried on events that were accepted lately: what its meters can't read of them, and what they look for and
// never find. A meter that is wrong shows before it refuses or loses anything.
import { parseExactJson } from '../json/exact-json.ts';
import { type JsonPath, pickAll } from '../json/json-path.ts';
import { eventPathText } from '../metering/event-path.ts';
import { type Meter, meterDefaults } from '../metering/meter.ts';
import { passesFilter } from '../metering/meter-filter.ts';
import { readMeters } from '../metering/meter-reading.ts';
import type { RuleSet } from '../metering/rule-set.ts';
import { Rejection, type RejectionCode } from '../rejection.ts';
import type { Change } from './catalog-diff.ts';

export interface RecentEvent {
  readonly tenant: string;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  /** JSON text. */
  readonly data: string;
}

export interface RecentEvents {
  /** All that were accepted in the last day, and those among which the events were looked for. */
  readonly accepted: number;
  readonly scanned: number;
  /** Of the types that were asked for. */
  readonly events: readonly RecentEvent[];
}

/** What a meter can't read, for one reason. */
interface UnreadFigure {
  readonly code: RejectionCode;
  /** The path. */
  readonly field: string;
  readonly events: number;
  readonly example: Pick<RecentEvent, 'tenant' | 'source' | 'id'>;
  /** Of the example. */
  readonly reason: string;
}

interface MeterTrial {
  readonly meter: string;
  readonly change: 'added' | 'changed' | 'same';
  readonly eventType: string;
  /** Those of its type. */
  readonly events: number;
  /** Those of them that its filter leaves out. */
  readonly leftOut: number;
  readonly unread: readonly UnreadFigure[];
  /** Whether gateways refuse what it can't read. */
  readonly refuses: boolean;
  /** Its paths that name nothing but null in any of the events. */
  readonly neverMet: readonly string[];
}

export interface CatalogTrial {
  /** As `RecentEvents`; `sampled` is how many events there are. */
  readonly accepted: number;
  readonly scanned: number;
  readonly sampled: number;
  readonly meters: readonly MeterTrial[];
}

interface PathFound {
  readonly path: JsonPath;
  found: boolean;
}

/** One meter, and what the events so far said to it. */
class Trial {
  private readonly meter: Meter;
  private readonly rules: RuleSet;
  private readonly paths: readonly PathFound[];
  private readonly figures = new Map<string, UnreadFigure>();
  private events = 0;
  private leftOut = 0;

  constructor(meter: Meter, rules: RuleSet) {
    this.meter = meter;
    this.rules = rules;
    const read: readonly { readonly path: JsonPath }[] = [
      ...(meter.valuePath === null ? [] : [{ path: meter.valuePath }]),
      ...(meter.addends ?? []),
      // Where "" is asked for, none need be there.
      ...(meter.where ?? []).filter(({ isNot, values }) => isNot || !values.includes('')),
      ...meter.dimensions,
    ];
    this.paths = read.map(({ path }) => ({ path, found: false }));
  }

  add(event: RecentEvent, data: unknown): void {
    this.events++;
    for (const each of this.paths) each.found ||= pickAll(data, each.path).some((value) => value !== null);
    const { meter, rules } = this;
    if (meter.where !== undefined && passesFilter(meter, meter.where, data, rules) === false) this.leftOut++;
    const read = readMeters([meter], data, rules);
    const rejection = read instanceof Rejection ? read : read.unread[0]?.rejection;
    if (rejection === undefined) return;
    const { code, field, message: reason } = rejection;
    const key = `${code} ${field}`;
    const { tenant, source, id } = event;
    const before = this.figures.get(key) ?? { code, field: field!, events: 0, example: { tenant, source, id }, reason };
    this.figures.set(key, { ...before, events: before.events + 1 });
  }

  told(change: MeterTrial['change']): MeterTrial {
    const { slug, eventType, unreadable = meterDefaults.unreadable } = this.meter;
    const missed = this.events === 0 ? [] : this.paths.filter(({ found }) => !found);
    return {
      ...{ meter: slug, change, eventType, events: this.events, leftOut: this.leftOut },
      unread: [...this.figures.values()].sort((a, b) => b.events - a.events),
      refuses: unreadable === 'refuse',
      neverMet: missed.map(({ path }) => eventPathText(path)),
    };
  }
}

/** `changes` as `diffCatalogs` told them; `rules`: those in force. */
export function tryMeters(
  meters: readonly Meter[],
  changes: readonly Change[],
  { accepted, scanned, events }: RecentEvents,
  rules: RuleSet,
): CatalogTrial {
  const kinds = new Map(changes.map(({ subject, kind }) => [subject, kind]));
  const trials = meters.map((meter) => ({ meter, trial: new Trial(meter, rules) }));
  for (const event of events) {
    const ofType = trials.filter(({ meter }) => meter.eventType === event.type);
    const data = parseExactJson(event.data);
    for (const { trial } of ofType) trial.add(event, data);
  }
  return {
    ...{ accepted, scanned, sampled: events.length },
    meters: trials.map(({ meter, trial }) => {
      const kind = kinds.get(`meter ${meter.slug}`);
      return trial.told(kind === 'added' || kind === 'changed' ? kind : 'same');
    }),
  };
}

function warningsOf({ meter, change, eventType, events, leftOut, unread, refuses, neverMet }: MeterTrial): string[] {
  const name = `! meter ${meter}${change === 'same' ? '' : ` (${change})`}`;
  const type = `of type ${JSON.stringify(eventType)}`;
  if (events === 0) return [`${name}: there is no event ${type} among them`];
  const lines = neverMet.map((path) => `${name}: ${path} is in none of ${events} events ${type}`);
  if (leftOut === events) lines.push(`${name}: its filter leaves out all of ${events} events ${type}`);
  const lost = unread.reduce((sum, figure) => sum + figure.events, 0);
  if (lost === 0) return lines;
  const outcome = refuses ? 'gateways refuse such events' : 'it leaves such events out';
  lines.push(`${name}: can't read ${lost} of ${events} events ${type}; ${outcome}`);
  for (const { code, events: count, example, reason } of unread) {
    const source = example.source === '' ? '' : ` of source ${JSON.stringify(example.source)}`;
    const event = `event ${JSON.stringify(example.id)}${source} (tenant ${example.tenant})`;
    lines.push(`!   ${count} ${code}, such as ${event}: ${reason}`);
  }
  return lines;
}

/** Lines for a person; a warning begins with "!". */
export function formatTrial({ accepted, scanned, sampled, meters }: CatalogTrial): string[] {
  if (meters.length === 0) return [];
  if (accepted === 0) return ['tried on no events: none was counted in the last 24 hours'];
  const among = scanned < accepted ? `found among ${scanned} of the ${accepted}` : `of the ${accepted}`;
  const head = `tried on ${sampled} events ${among} of the last 24 hours`;
  const warnings = meters.flatMap(warningsOf);
  return [warnings.length === 0 ? `${head}: every meter reads what it should` : `${head}:`, ...warnings];
}
