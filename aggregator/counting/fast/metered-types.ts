// The meters of a catalog version, laid out for the fast counter. Meters of one event type that have the same group
// values and the same window size are a family: an event finds the rows of all of them in one look-up.

import { aggregationRules } from '../../../domain/aggregation/aggregations.ts';
import { itemWidthMs } from '../../../domain/billing/item-span.ts';
import type { Meter } from '../../../domain/catalog/catalog.ts';
import type { Addend, Condition } from '../../../domain/metering/meter.ts';
import type { MetersByType } from '../../../domain/metering/meter-reading.ts';
import { Decimal } from '../../../domain/number/decimal.ts';
import { QUANTITY_ONE } from '../../../domain/number/quantity.ts';
import { windowSizeMs } from '../../../domain/time/time-window.ts';
import { DataPaths, type ScannedAddend, type ScannedCondition } from './data-scanner.ts';

interface Member {
  readonly meter: Meter;
  /** Its place among the meters of the type. */
  readonly order: number;
  /** Where the scanner has its value; -1: it counts events, or adds up. */
  readonly slot: number;
  /** Null: it reads no sum. */
  readonly addends: readonly ScannedAddend[] | null;
  /** Null: it reads every event of its type. */
  readonly where: readonly ScannedCondition[] | null;
  /** How much time a line item covers. */
  readonly itemMs: number;
}

export interface Family {
  readonly id: number;
  readonly windowMs: number;
  /** Where the scanner has the group values, in their order. */
  readonly groupSlots: readonly number[];
  readonly members: readonly Member[];
}

export interface MeteredType {
  readonly paths: DataPaths;
  readonly families: readonly Family[];
}

const scannedAddend = ({ path, factor }: Addend, paths: DataPaths): ScannedAddend => {
  const { coefficient, scale } = Decimal.parse(factor);
  const divisor = 10 ** scale;
  return { slot: paths.slotOf(path), times: Number(coefficient), divisor, units: Number(QUANTITY_ONE) / divisor };
};

const scannedCondition = ({ path, values, isNot }: Condition, paths: DataPaths): ScannedCondition => ({
  slot: paths.slotOf(path),
  texts: values.map((value) => Buffer.from(value)),
  isNot,
});

/** A cell has one bit for each member, which says that its row has changed. */
const MEMBERS_MAX = 31;

export class MeteredTypes {
  readonly families: Family[] = [];
  private readonly types = new Map<string, MeteredType | null>();
  private readonly places = new Map<Meter, { readonly family: Family; readonly member: number }>();

  constructor(meters: MetersByType) {
    for (const [type, ofType] of meters) this.types.set(type, this.layOut(ofType));
  }

  /** Null: events of this type are decided by the plain rules. Undefined: no meter reads them. */
  find(type: string): MeteredType | null | undefined {
    return this.types.get(type);
  }

  /** The family that the meter is in; undefined: its rows are in the plain table. */
  placeOf(meter: Meter): { readonly family: Family; readonly member: number } | undefined {
    return this.places.get(meter);
  }

  private layOut(meters: readonly Meter[]): MeteredType | null {
    // Columns hold sums only. Other aggregations are rare; types with one are left to the plain rules.
    if (!meters.every(({ aggregation }) => aggregationRules(aggregation).isSum)) return null;
    const paths = new DataPaths();
    const families = new Map<string, { windowMs: number; groupSlots: number[]; members: Member[] }>();
    for (const [order, meter] of meters.entries()) {
      const slot = meter.valuePath === null ? -1 : paths.slotOf(meter.valuePath);
      const groupSlots = meter.dimensions.map(({ path }) => paths.slotOf(path));
      const addends = meter.addends?.map((addend) => scannedAddend(addend, paths)) ?? null;
      const where = meter.where?.map((condition) => scannedCondition(condition, paths)) ?? null;
      const slots = [...groupSlots, ...[...(addends ?? []), ...(where ?? [])].map((each) => each.slot)];
      if ((slot === -1 && meter.valuePath !== null) || slots.includes(-1)) return null;
      const shape = JSON.stringify([meter.window, groupSlots]);
      const family = families.get(shape) ?? { windowMs: windowSizeMs[meter.window], groupSlots, members: [] };
      families.set(shape, family);
      family.members.push({ meter, order, slot, addends, where, itemMs: itemWidthMs(meter) });
      if (family.members.length > MEMBERS_MAX) return null;
    }
    const laidOut = [...families.values()].map((family, i) => ({ ...family, id: this.families.length + i }));
    this.families.push(...laidOut);
    for (const family of laidOut) {
      for (const [member, { meter }] of family.members.entries()) this.places.set(meter, { family, member });
    }
    return { paths, families: laidOut };
  }
}
