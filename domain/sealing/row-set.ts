// Rows of a chunk as a seal vouches for them: how many, and a checksum. The checksum is a sum modulo 2^64 over rows, so
// it does not depend on their order.

export interface RowSet {
  readonly count: number;
  readonly checksum: bigint;
}

export const wrap64 = (value: bigint): bigint => BigInt.asUintN(64, value);

export const noRows: RowSet = { count: 0, checksum: 0n };
export const plusRows = (a: RowSet, b: RowSet): RowSet => ({
  count: a.count + b.count,
  checksum: wrap64(a.checksum + b.checksum),
});

export const isSameRows = (a: RowSet, b: RowSet): boolean => a.count === b.count && a.checksum === b.checksum;
