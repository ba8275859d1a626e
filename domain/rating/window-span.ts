// A stretch of windows, such as a term's: those that start from `from` on and before `to`; milliseconds since the
// epoch.
export interface WindowSpan {
  readonly from: number;
  readonly to: number;
}

export const ALWAYS: WindowSpan = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };
