// What an event of a recounted chunk says to the meters: as the log was counted, but for the meters that its chunk's
// corrections name (docs/inside/recounts.md, C1). Of two corrections of a meter the later one holds. The owner that
// counts a revision, the audits that count it again and the look-up of one event all ask here.
import { parseExactJson } from '../json/exact-json.ts';
import { Rejection } from '../rejection.ts';
import { windowSizeMs, windowStartOf } from '../time/time-window.ts';
import type { Meter } from './meter.ts';
import { type MeterReadings, type MetersByType, readMeters } from './meter-reading.ts';
import type { RuleSet } from './rule-set.ts';

/** A meter is counted by its definition in a catalog version, where its window starts in a range. */
export interface MeterCorrection {
  /** Null: of the events of all tenants. */
  readonly tenant: string | null;
  readonly meter: string;
  readonly version: number;
  /** Milliseconds since the epoch; `to` null: unbounded. */
  readonly from: number;
  readonly to: number | null;
}

/**
 * A correction, and the meter as its version defines it for a tenant; null: that one's catalog has none of the slug.
 */
export interface DefinedCorrection extends MeterCorrection {
  definedFor(tenant: string): Meter | null;
}

/** `metersOf`: those of a tenant at the correction's version. */
export function definedBy(correction: MeterCorrection, metersOf: (tenant: string) => MetersByType): DefinedCorrection {
  const known = new Map<MetersByType, Meter | null>();
  return {
    ...correction,
    definedFor(tenant) {
      const meters = metersOf(tenant);
      const found = known.get(meters);
      if (found !== undefined) return found;
      const meter = [...meters.values()].flat().find(({ slug }) => slug === correction.meter) ?? null;
      known.set(meters, meter);
      return meter;
    },
  };
}

export interface CorrectedEvent {
  readonly tenant: string;
  readonly type: string;
  readonly eventTime: number;
  /** JSON text; of an event that no meter reads in the log it may be none. */
  readonly data: string;
}

const NOT_JSON = new Rejection('invalid_data', 'data is not JSON');

/** Whether a correction is about the event, if it is of the meter's type. */
function concerns({ tenant, from, to }: DefinedCorrection, meter: Meter, event: CorrectedEvent): boolean {
  if (tenant !== null && tenant !== event.tenant) return false;
  const start = windowStartOf(event.eventTime, windowSizeMs[meter.window]);
  return start >= from && (to === null || start < to);
}

/** A Rejection: it is no JSON. */
function readData(data: string): { readonly value: unknown } | Rejection {
  try {
    return { value: parseExactJson(data) };
  } catch {
    return NOT_JSON;
  }
}

/**
 * `inForce`: the meters of the event's type where it stands in the log. A Rejection: the event could not have been
 * accepted by them.
 */
export function readCorrected(
  inForce: readonly Meter[],
  corrections: readonly DefinedCorrection[],
  event: CorrectedEvent,
  rules: RuleSet,
): MeterReadings | Rejection {
  const corrected = new Map<string, Meter>();
  for (const correction of corrections) {
    const meter = correction.definedFor(event.tenant);
    if (meter !== null && concerns(correction, meter, event)) corrected.set(meter.slug, meter);
  }
  const left = corrected.size === 0 ? inForce : inForce.filter(({ slug }) => !corrected.has(slug));
  const added = [...corrected.values()].filter(({ eventType }) => eventType === event.type);
  if (left.length + added.length === 0) return { readings: [], unread: [] };
  const data = readData(event.data);
  const readBy = (meters: readonly Meter[]): MeterReadings | Rejection =>
    data instanceof Rejection ? data : readMeters(meters, data.value, rules);
  const read = left.length === 0 ? { readings: [], unread: [] } : readBy(left);
  if (read instanceof Rejection || added.length === 0) return read;
  const readings = [...read.readings];
  const unread = [...read.unread];
  for (const meter of added) {
    // An event that was accepted stays so: what a meter can't read of it is that meter's loss, by every rule set.
    const ofMeter = readBy([meter]);
    if (ofMeter instanceof Rejection) unread.push({ meter, rejection: ofMeter });
    else {
      readings.push(...ofMeter.readings);
      unread.push(...ofMeter.unread);
    }
  }
  return { readings, unread };
}
