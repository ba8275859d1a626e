// A table with the semantics of ReplacingMergeTree, partitioned by month or week. A read with FINAL sees, of rows with
// one key, the one of the highest version (of equal ones the last inserted); a read without sees all of them.

export interface Stored<R> {
  readonly row: R;
  readonly version: number;
  readonly part: Part;
}

/** What one insert wrote into one month (or week) of one table. */
export interface Part {
  readonly table: string;
  readonly insertedAt: number;
  /** From then on it is on disk, and may have been answered for. */
  durableAt: number;
  isLost: boolean;
  /**
   * Each of its rows stands in an older part as well, with what it was before: without it nothing seems to be missing.
   */
  hidesOlderRows: boolean;
}

/** Rows that lie together in the log (or in a chunk): a read need not look at all. */
interface Bucket<R> {
  /** By key, all versions of a row in order of insertion. */
  readonly versions: Map<string, Stored<R>[]>;
}

/** Places in the log (or chunks) to look at, both ends included. */
export interface Places {
  readonly from: number;
  readonly to: number;
}

export const EVERYWHERE: Places = { from: 0, to: Number.POSITIVE_INFINITY };

/** The row that counts, of what had been inserted by `asOf`. `evenLost`: as if no part had been lost. */
export function finalOf<R>(versions: readonly Stored<R>[], asOf: number, evenLost = false): R | null {
  let best: Stored<R> | null = null;
  for (let i = 0; i < versions.length; i++) {
    const stored = versions[i]!;
    if ((stored.part.isLost && !evenLost) || stored.part.insertedAt > asOf) continue;
    if (best === null || stored.version >= best.version) best = stored;
  }
  return best === null ? null : best.row;
}

export class Table<R> {
  /** By partition of the log, then by the places they hold. */
  private readonly buckets = new Map<number, Map<number, Bucket<R>>>();
  private readonly placesShift: number;
  private readonly placeOf: (row: R) => number;

  /** A bucket holds 2^placesShift places. */
  constructor(placesShift: number, placeOf: (row: R) => number) {
    this.placesShift = placesShift;
    this.placeOf = placeOf;
  }

  add(partition: number, place: number, key: string, stored: Stored<R>): Stored<R>[] {
    let ofPartition = this.buckets.get(partition);
    if (ofPartition === undefined) {
      ofPartition = new Map();
      this.buckets.set(partition, ofPartition);
    }
    const number = place >> this.placesShift;
    let bucket = ofPartition.get(number);
    if (bucket === undefined) {
      bucket = { versions: new Map() };
      ofPartition.set(number, bucket);
    }
    const versions = bucket.versions.get(key);
    if (versions !== undefined) {
      versions.push(stored);
      return versions;
    }
    const first = [stored];
    bucket.versions.set(key, first);
    return first;
  }

  private eachIn(partition: number, { from, to }: Places, look: (versions: readonly Stored<R>[]) => void): void {
    const ofPartition = this.buckets.get(partition);
    if (ofPartition === undefined) return;
    const first = from >> this.placesShift;
    const last = to === Number.POSITIVE_INFINITY ? to : to >> this.placesShift;
    if (last - first > ofPartition.size) {
      for (const [number, bucket] of ofPartition) if (number >= first && number <= last) bucket.versions.forEach(look);
    } else {
      for (let number = first; number <= last; number++) ofPartition.get(number)?.versions.forEach(look);
    }
  }

  /** As FINAL gives them, of what had been inserted by `asOf`. */
  final(partition: number, asOf: number, places: Places = EVERYWHERE, evenLost = false): R[] {
    const found: R[] = [];
    this.eachIn(partition, places, (versions) => {
      const row = finalOf(versions, asOf, evenLost);
      if (row === null) return;
      const place = this.placeOf(row);
      if (place >= places.from && place <= places.to) found.push(row);
    });
    return found;
  }

  /** Without FINAL: every version that no merge has taken away yet. */
  all(partition: number, asOf: number, places: Places = EVERYWHERE): R[] {
    const found: R[] = [];
    this.eachIn(partition, places, (versions) => {
      for (const { row, part } of versions) {
        if (part.isLost || part.insertedAt > asOf) continue;
        const place = this.placeOf(row);
        if (place >= places.from && place <= places.to) found.push(row);
      }
    });
    return found;
  }

  /** The parts with a row that `holds`. */
  partsWith(holds: (row: R) => boolean): Set<Part> {
    const parts = new Set<Part>();
    for (const partition of this.buckets.keys()) {
      this.eachIn(partition, EVERYWHERE, (versions) => {
        for (const { row, part } of versions) if (holds(row)) parts.add(part);
      });
    }
    return parts;
  }

  /** Of the versions of each row that `holds` the highest one (of equal ones the last inserted), or else the lowest. */
  picked(partition: number, asOf: number, places: Places, pick: 'newest' | 'oldest', holds: (row: R) => boolean): R[] {
    const found: R[] = [];
    this.eachIn(partition, places, (versions) => {
      const there = versions.filter(({ row, part }) => !part.isLost && part.insertedAt <= asOf && holds(row));
      if (there.length === 0) return;
      const isBetter = (a: Stored<R>, b: Stored<R>): boolean =>
        pick === 'newest' ? a.version >= b.version : a.version < b.version;
      const { row } = there.reduce((best, each) => (isBetter(each, best) ? each : best));
      const place = this.placeOf(row);
      if (place >= places.from && place <= places.to) found.push(row);
    });
    return found;
  }

  partitions(): Iterable<number> {
    return this.buckets.keys();
  }

  /** A merge keeps the last version of each key only, and writes it into one part with the others. */
  merge(into: Part, of: ReadonlySet<Part>): void {
    for (const partition of this.buckets.keys()) {
      this.eachIn(partition, EVERYWHERE, (stored) => {
        const versions = stored as Stored<R>[];
        const merging = versions.filter(({ part }) => of.has(part) && !part.isLost);
        if (merging.length === 0) return;
        const best = merging.reduce((a, b) => (b.version >= a.version ? b : a));
        const at = versions.lastIndexOf(best);
        const kept = versions.filter((each, i) => i === at || !of.has(each.part));
        kept[kept.indexOf(best)] = { ...best, part: into };
        versions.splice(0, versions.length, ...kept);
      });
    }
  }
}
