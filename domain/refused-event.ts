// What is kept of an event that a gateway refused: its names and its time, cut in length, and never its data. Null: it
// had none that could be read.

export interface RefusedEventNames {
  readonly id: string | null;
  readonly source: string | null;
  readonly type: string | null;
  readonly subject: string | null;
  /** As it was sent. */
  readonly time: string | null;
  /** Why it was refused. */
  readonly message: string;
}
