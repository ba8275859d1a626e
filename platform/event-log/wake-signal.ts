// Lets one loop wait until there may be something to do. A wake while the loop is busy is kept, so none is lost.

export class WakeSignal {
  private woken = false;
  private resume: (() => void) | null = null;

  wake(): void {
    this.woken = true;
    this.resume?.();
  }

  /** Resolves at the next wake, at once if there was one since the last wait, or after `timeoutMs` at the latest. */
  async wait(timeoutMs: number): Promise<void> {
    if (!this.woken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.resume = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.resume = null;
    }
    this.woken = false;
  }
}
