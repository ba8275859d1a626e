// When keys were used last, for whoever writes it down from time to time. To note a use costs a request two writes to
// memory; how many keys wait to be written is bounded, and beyond it uses are forgotten.
const WAITING_MAX = 10_000;

export interface KeyUse {
  readonly keyId: string;
  /** Milliseconds since the epoch. */
  at: number;
  isWaiting: boolean;
}

/** Of a key that has just become known. */
export const unusedKey = (keyId: string): KeyUse => ({ keyId, at: 0, isWaiting: false });

export class KeyUses {
  private waiting: KeyUse[] = [];

  note(use: KeyUse, now: number): void {
    use.at = now;
    if (use.isWaiting || this.waiting.length === WAITING_MAX) return;
    use.isWaiting = true;
    this.waiting.push(use);
  }

  /** Those that were noted since; each waits again from its next use on. */
  take(): readonly KeyUse[] {
    const taken = this.waiting;
    this.waiting = [];
    for (const use of taken) use.isWaiting = false;
    return taken;
  }
}
