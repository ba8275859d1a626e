// Shows how far the demonstration is: a bar on a terminal, a line every two seconds anywhere else.
import { Presets, SingleBar } from 'cli-progress';

export interface ProgressState {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly lagSeconds: number | null;
}

const LINE_EVERY_MS = 2_000;
const BAR_EVERY_MS = 200;

export class Progress {
  private readonly read: () => ProgressState;
  private readonly bar: SingleBar | null;
  private readonly timer: NodeJS.Timeout;
  private stopped = false;

  constructor(read: () => ProgressState) {
    this.read = read;
    this.bar = process.stdout.isTTY
      ? new SingleBar(
          { format: '{phase} {bar} {value}/{total} events · lag {lag}', hideCursor: true, clearOnComplete: true },
          Presets.shades_classic,
        )
      : null;
    const { done, total } = read();
    this.bar?.start(total, done, { phase: '', lag: '' });
    this.timer = setInterval(() => this.show(), this.bar === null ? LINE_EVERY_MS : BAR_EVERY_MS);
  }

  /** A line of its own, above the bar. */
  note(text: string): void {
    if (this.bar !== null) process.stdout.write('\r\u001b[K');
    console.log(text);
  }

  /** Shows the last state; a second call does nothing. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    clearInterval(this.timer);
    this.show();
    this.bar?.stop();
  }

  private show(): void {
    const { phase, done, total, lagSeconds } = this.read();
    const lag = lagSeconds === null ? 'not known yet' : `${lagSeconds.toFixed(1)} s`;
    if (this.bar === null) {
      console.log(`${phase}: ${done} of ${total} events, lag ${lag}`);
      return;
    }
    this.bar.setTotal(total);
    this.bar.update(done, { phase, lag });
  }
}
