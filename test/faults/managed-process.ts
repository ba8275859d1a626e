// A process of a deployment that tests kill, stop and continue. While it is wanted it is started again whenever it ends
// by itself, as a cluster's supervisor would do it, and each such end is kept: a test says which of them it expected.
import { setTimeout as delay } from 'node:timers/promises';

/** One run of the program. */
export interface Launched {
  /** What signals are sent to: a pid, or a process group as a negative number. Null while nothing runs yet. */
  target(): number | null;
  /** Resolves to the address it serves on; rejects where it ends before. */
  readonly ready: Promise<string>;
  /** Resolves, once it has ended, to how it did: an exit status or a signal. */
  readonly ended: Promise<string>;
  /** Ends it in order. */
  stop(): Promise<void>;
}

const RESTART_DELAY_MS = 300;

export class ManagedProcess {
  readonly name: string;
  /** How it ended each time nobody had asked for it, oldest first. */
  readonly ends: string[] = [];
  private readonly launch: () => Launched;
  private running: Launched | null = null;
  private wanted = false;
  private address = '';
  private paused = false;
  private serving = false;
  private attempt = 0;

  private readonly onUnaskedEnd: (how: string) => void;

  constructor(name: string, launch: () => Launched, onUnaskedEnd: (how: string) => void) {
    this.name = name;
    this.launch = launch;
    this.onUnaskedEnd = onUnaskedEnd;
  }

  /** Where it serves, or served last. */
  get url(): string {
    return this.address;
  }

  get isServing(): boolean {
    return this.serving && !this.paused;
  }

  /**
   * Resolves once it serves. Starts it again, until `kill` or `stop`, when it ends before or after; rejects where it
   * ended `attemptsMax` times before.
   */
  async start(attemptsMax = Number.POSITIVE_INFINITY): Promise<void> {
    this.wanted = true;
    this.attempt++;
    const { attempt } = this;
    for (let runs = 1; this.wanted && this.attempt === attempt; runs++) {
      const run = this.launch();
      this.running = run;
      void run.ended.then((how) => this.onEnd(run, how));
      try {
        this.address = await run.ready;
        this.serving = this.running === run;
        return;
      } catch {
        // `onEnd` has kept the reason.
        if (runs >= attemptsMax) throw new Error(`${this.name} does not start: ${this.ends.at(-1)}`);
        await delay(RESTART_DELAY_MS);
      }
    }
  }

  private onEnd(run: Launched, how: string): void {
    if (this.running !== run) return;
    this.running = null;
    this.paused = false;
    this.serving = false;
    if (!this.wanted) return;
    this.ends.push(how);
    this.onUnaskedEnd(how);
    // A run that never served is in the hands of `start`.
    run.ready.then(
      () => delay(RESTART_DELAY_MS).then(() => (this.wanted && this.running === null ? this.start() : undefined)),
      () => undefined,
    );
  }

  /** SIGKILL; resolves once it is gone. It stays down until `start`. */
  async kill(): Promise<void> {
    this.wanted = false;
    const { running } = this;
    this.signal('SIGKILL');
    await running?.ended;
  }

  /** As `kill`, but the deployment starts it again at once. */
  async crash(): Promise<void> {
    await this.kill();
    await this.start();
  }

  pause(): void {
    this.paused = true;
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
    this.paused = false;
  }

  async stop(): Promise<void> {
    this.wanted = false;
    this.resume();
    await this.running?.stop();
  }

  /** Without waiting, for a test that is ending; also what is stopped. */
  abandon(): void {
    this.wanted = false;
    this.signal('SIGKILL');
  }

  private signal(signal: NodeJS.Signals): void {
    const target = this.running?.target() ?? null;
    if (target === null) return;
    try {
      process.kill(target, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
