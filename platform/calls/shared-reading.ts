// One reading for all who ask at the same time. However many ask, one is under way and at most one waits for it to end.

import { JoinedCalls } from './joined-calls.ts';
/**
 * A reading that began at most `ageMaxMs` ago. An error of a reading is one of all who wait for it, and is not kept.
 */
export type SharedReading<Value> = (ageMaxMs: number) => Promise<Value>;

/**
 * `read` must settle in the end: who asks for something newer than what is under way gets the next one, which begins
 * when that has ended. `clock` counts milliseconds and never steps back.
 */
export function shareReading<Value>(read: () => Promise<Value>, clock: () => number): SharedReading<Value> {
  let last: { readonly startedAt: number; readonly value: Promise<Value> } | null = null;
  const readings = new JoinedCalls<undefined, Value>(async (askers) => {
    last = { startedAt: clock(), value: read() };
    try {
      const value = await last.value;
      return askers.map(() => value);
    } catch (error) {
      last = null;
      throw error;
    }
  });
  return (ageMaxMs) => (last !== null && clock() - last.startedAt <= ageMaxMs ? last.value : readings.add(undefined));
}
