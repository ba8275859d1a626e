// The memory of answers that their clients have not taken. Each connection may keep its own for a while; together they
// may be a few hundred megabytes at any number of connections, because a small request can have a large answer. What
// holds always: at most `UNREAD_BYTES_MAX` of them are kept, and what is answered between two looks. Beyond it the
// address that keeps most loses its connections, the one that waits longest first: so whoever reads keeps its answer
// while others hoard theirs.

export const UNREAD_BYTES_MAX = 128_000_000;
/** After so many bytes of answers somebody has to look how many of them were taken. */
export const UNREAD_LOOK_BYTES = 32_000_000;

export interface Unread {
  readonly address: string;
  readonly bytes: number;
  /** When its client last took something. Milliseconds from anywhere. */
  readonly takenAt: number;
}

interface Hoard<Holder> {
  bytes: number;
  readonly holders: Holder[];
}

/** Those to be ended so that the others keep no more than `bytesMax` bytes. */
export function beyondMemory<Holder extends Unread>(unread: readonly Holder[], bytesMax: number): Holder[] {
  let excess = unread.reduce((sum, { bytes }) => sum + bytes, -bytesMax);
  if (excess <= 0) return [];
  const hoards = new Map<string, Hoard<Holder>>();
  // Of each address the one that waits longest comes last.
  for (const holder of [...unread].sort((a, b) => b.takenAt - a.takenAt)) {
    const hoard = hoards.get(holder.address) ?? { bytes: 0, holders: [] };
    hoard.bytes += holder.bytes;
    hoard.holders.push(holder);
    hoards.set(holder.address, hoard);
  }
  const ended: Holder[] = [];
  while (excess > 0) {
    const largest = [...hoards.values()].reduce((a, b) => (b.bytes > a.bytes ? b : a));
    const holder = largest.holders.pop()!;
    largest.bytes -= holder.bytes;
    excess -= holder.bytes;
    ended.push(holder);
  }
  return ended;
}
