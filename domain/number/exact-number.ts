// A JSON number that a double may not hold, kept as its own text. Whether a value is one is asked with instanceof and
// nothing else: no text that a client writes makes an instance, whatever names its members have.

export class ExactNumber {
  /** The number token, as it was sent. */
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}
