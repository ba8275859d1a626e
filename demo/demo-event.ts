// What the demonstration sends, before anything goes wrong with it.

export interface DemoEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Field values as they are sent: JSON numbers or decimal strings. */
  readonly data: Readonly<Record<string, string | number>>;
}
