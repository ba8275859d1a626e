// The child's side of a bench program: it is told its input, prepares, says that it is ready, and does its work when it
// is told to. Time and CPU (getrusage) are those of the work alone. See stand/bench-program.ts for the other side.

export interface Prepared<Output> {
  /** Sent with "ready": an address, say. */
  readonly info?: unknown;
  work(): Promise<Output> | Output;
  close?(): Promise<void> | void;
}

export interface ProgramResult<Output> {
  readonly output: Output;
  readonly seconds: number;
  readonly cpuMicros: number;
}

export type ProgramMessage<Output> =
  | { readonly kind: 'ready'; readonly info: unknown }
  | { readonly kind: 'result'; readonly result: ProgramResult<Output> };

const nextMessage = (): Promise<unknown> => new Promise((resolve) => process.once('message', resolve));

const send = (message: ProgramMessage<unknown>): Promise<void> =>
  new Promise((resolve, reject) =>
    process.send!(message, (error: Error | null) => (error ? reject(error) : resolve())),
  );

/** Runs this process as a program of a bench; the last call of its module. */
export async function runAsProgram<Input, Output>(prepare: (input: Input) => Promise<Prepared<Output>>): Promise<void> {
  if (process.send === undefined) throw new Error('this is a part of a bench: npm run bench -- NAME');
  // Nobody waits for the result of an orphan.
  process.once('disconnect', () => process.exit(1));
  // With its profile, if it is to leave one.
  process.once('SIGTERM', () => process.exit(143));
  const prepared = await prepare((await nextMessage()) as Input);
  const told = nextMessage();
  await send({ kind: 'ready', info: prepared.info ?? null });
  await told;
  globalThis.gc?.();
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const output = await prepared.work();
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const ended = nextMessage();
  await send({ kind: 'result', result: { output, seconds, cpuMicros: user + system } });
  await ended;
  await prepared.close?.();
  process.exit(0);
}
