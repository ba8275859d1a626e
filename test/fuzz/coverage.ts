// Which blocks of our own code an input reached, by V8's precise block coverage. It slows code down by a factor, so it
// guides the beginning of a campaign, and what it found is then mutated at full speed.
import { type InspectorNotification, type Profiler, Session } from 'node:inspector';

/** For each script the characters of its source that were reached and never `keep`t, as flags. */
export type NewlyReached = ReadonlyMap<string, Uint8Array>;

export class Coverage {
  private readonly session = new Session();
  private readonly isOurs: (url: string) => boolean;
  private readonly seen = new Map<string, Uint8Array>();

  constructor(isOurs: (url: string) => boolean) {
    this.isOurs = isOurs;
    this.session.connect();
    this.post('Profiler.enable');
    this.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** How many characters of our source were reached. */
  get reached(): number {
    let count = 0;
    for (const flags of this.seen.values()) for (const flag of flags) count += flag;
    return count;
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

  /** What was entered since the last call; null where it was all known. */
  takeNew(): NewlyReached | null {
    const { result } = this.post('Profiler.takePreciseCoverage') as Profiler.TakePreciseCoverageReturnType;
    const found = new Map<string, Uint8Array>();
    for (const { scriptId, url, functions } of result) {
      if (!this.isOurs(url)) continue;
      const reached = new Uint8Array(Math.max(...functions.map(({ ranges }) => ranges[0]!.endOffset)));
      // A range overrides the one around it; one that is as often entered as the one around it is not listed.
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) reached.fill(count > 0 ? 1 : 0, startOffset, endOffset);
      }
      const seen = this.seen.get(scriptId);
      let isNew = false;
      for (let at = 0; at < reached.length; at++) {
        if (reached[at] === 1 && seen?.[at] === 1) reached[at] = 0;
        else if (reached[at] === 1) isNew = true;
      }
      if (isNew) found.set(scriptId, reached);
    }
    return found.size === 0 ? null : found;
  }

  keep(found: NewlyReached | null): void {
    for (const [script, reached] of found ?? []) {
      const before = this.seen.get(script) ?? new Uint8Array(0);
      const merged = before.length >= reached.length ? before : new Uint8Array(reached.length);
      if (merged !== before) merged.set(before);
      for (let at = 0; at < reached.length; at++) if (reached[at] === 1) merged[at] = 1;
      this.seen.set(script, merged);
    }
  }

  stop(): void {
    this.post('Profiler.stopPreciseCoverage');
    this.session.disconnect();
  }
}
