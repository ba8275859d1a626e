// Hash tables with open addressing, as names and cells use them: an array of [hash, number + 1] pairs. There is a power
// of two of them, and number + 1 = 0 marks a free pair.

/** The same pairs in twice as many slots. */
export function doubled(slots: Int32Array): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(slots.length * 2);
  const mask = grown.length / 2 - 1;
  for (let at = 0; at < slots.length; at += 2) {
    if (slots[at + 1] === 0) continue;
    let slot = slots[at]! & mask;
    while (grown[slot * 2 + 1] !== 0) slot = (slot + 1) & mask;
    grown[slot * 2] = slots[at]!;
    grown[slot * 2 + 1] = slots[at + 1]!;
  }
  return grown;
}
