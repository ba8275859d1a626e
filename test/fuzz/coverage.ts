// Which blocks of our own code an input reached, by V8's precise block coverage. It slows code down by a factor, so it guides
// the beginning of a campaign, and what it found is then mutated at full speed.
import { type InspectorNotification, type Profiler, Session } from 'node:inspector';

export class Coverage {
  private readonly session = new Session();
  private readonly isOurs: (url: string) => boolean;
  private readonly seen = new Set<string>();

  constructor(isOurs: (url: string) => boolean) {
    this.isOurs = isOurs;
    this.session.connect();
    this.post('Profiler.enable');
    this.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  get blocks(): number {
    return this.seen.size;
  }

  private post(method: string, parameters: object = {}): object {
    let answer: object = {};
    // Calls of an inspector session on its own thread are answered before they return.
    this.session.post(method, parameters, (error: Error | null, result?: object | InspectorNotification<object>) => {
      if (error !== null) throw error;
      answer = result ?? {};
    });
    return answer;
  }

  /** The blocks entered since the last call that were never `keep`t. */
  takeNew(): string[] {
    const { result } = this.post('Profiler.takePreciseCoverage') as Profiler.TakePreciseCoverageReturnType;
    const found: string[] = [];
    for (const { scriptId, url, functions } of result) {
      if (!this.isOurs(url)) continue;
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          if (count === 0) continue;
          const block = `${scriptId}:${startOffset}:${endOffset}`;
          if (!this.seen.has(block)) found.push(block);
        }
      }
    }
    return found;
  }

  keep(blocks: readonly string[]): void {
    for (const block of blocks) this.seen.add(block);
  }

  stop(): void {
    this.post('Profiler.stopPreciseCoverage');
    this.session.disconnect();
  }
}
