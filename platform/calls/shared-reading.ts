// One reading for all who ask at the same time. However many ask, one is under way and at most one waits for it to end.

/** A reading that began at most `ageMaxMs` ago. An error of a reading is one of all who wait for it, and is not kept. */
export type SharedReading<Value> = (ageMaxMs: number) => Promise<Value>;

interface Reading<Value> {
  readonly startedAt: number;
  readonly value: Promise<Value>;
}

/**
 * `read` must settle in the end: who asks for something newer than what is under way gets the next one, which begins when that has
 * ended. `clock` counts milliseconds and never steps back.
 */
export function shareReading<Value>(read: () => Promise<Value>, clock: () => number): SharedReading<Value> {
  let last: Reading<Value> | null = null;
  let underWay: Reading<Value> | null = null;
  let next: Promise<Value> | null = null;

  const start = (): Promise<Value> => {
    const reading: Reading<Value> = { startedAt: clock(), value: read() };
    last = reading;
    underWay = reading;
    reading.value.then(
      () => {
        if (underWay === reading) underWay = null;
      },
      () => {
        if (underWay === reading) underWay = null;
        if (last === reading) last = null;
      },
    );
    return reading.value;
  };
  return (ageMaxMs) => {
    if (last !== null && clock() - last.startedAt <= ageMaxMs) return last.value;
    if (underWay === null) return start();
    next ??= underWay.value
      .catch(() => {})
      .then(() => {
        next = null;
        return start();
      });
    return next;
  };
}
