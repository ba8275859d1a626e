// The invariants that rating and the audits speak of, as docs/inside/exactly-once.md numbers them.
export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5';
export const invariants: readonly Invariant[] = ['I1', 'I2', 'I3', 'I4', 'I5'];
