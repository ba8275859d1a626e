// Meters laid out for the fast counter. Meters of one event type that have the same group values and the same window
// size are a family: an event finds the rows of all of them in one look-up.
//
// The meters of a type are laid out when the first event meets them, and by their list: whoever has the same list,
// tenants or versions, has the same layout. So there are as many as are met, and not as many as tenants.

import { aggregationRules } from '../../../domain/aggregation/aggregations.ts';
import { itemWidthMs } from '../../../domain/billing/item-span.ts';
import type { Meter } from '../../../domain/catalog/catalog.ts';
import type { Addend, Condition } from '../../../domain/metering/meter.ts';
import { Decimal } from '../../../domain/number/decimal.ts';
import { QUANTITY_ONE } from '../../../domain/number/quantity.ts';
import { windowSizeMs } from '../../../domain/time/time-window.ts';
import { DataPaths, type ScannedAddend, type ScannedCondition } from './data-scanner.ts';

interface Member {
  readonly meter: Meter;
  readonly slug: Buffer;
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
  /** In the order of their ids. */
  readonly families: Family[] = [];
  private readonly types = new Map<readonly Meter[], MeteredType | null>();
  private readonly places = new Map<Meter, { readonly family: Family; readonly member: number }>();

  /** Of the meters of one event type. Null: the plain rules decide its events. */
  of(meters: readonly Meter[]): MeteredType | null {
    const known = this.types.get(meters);
    if (known !== undefined) return known;
    const type = this.layOut(meters);
    this.types.set(meters, type);
    return type;
  }

  /** The family that one of these meters is in; undefined: its rows are in the plain table. */
  placeOf(meter: Meter, meters: readonly Meter[]): { readonly family: Family; readonly member: number } | undefined {
    this.of(meters);
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
      family.members.push({
        meter,
        slug: Buffer.from(meter.slug),
        order,
        slot,
        addends,
        where,
        itemMs: itemWidthMs(meter),
      });
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
