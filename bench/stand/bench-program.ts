// A program of a bench (bench/programs) in a process of its own, so that its CPU time is its own and its heap is fresh.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { STAGE_NODE_FLAGS } from '../../cli/stage/stage-node-flags.ts';
import type { ProgramMessage, ProgramResult } from '../programs/program.ts';
import { profileArguments } from './profiles.ts';

/** The compiled neighbour: benches run from dist/ only. */
const programFile = (name: string): string => fileURLToPath(new URL(`../programs/${name}.js`, import.meta.url));

export class BenchProgram<Output> {
  readonly child: ChildProcess;
  private readonly name: string;
  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.child = child;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Resolves once the program has prepared itself, with what it says of itself. */
  static async start<Output>(
    name: string,
    input: unknown,
    { heapMB }: { heapMB?: number } = {},
  ): Promise<{ program: BenchProgram<Output>; info: unknown }> {
    const execArgv = [...STAGE_NODE_FLAGS, '--expose-gc', ...profileArguments(name)];
    if (heapMB !== undefined) execArgv.push(`--max-old-space-size=${heapMB}`);
    const child = fork(programFile(name), [], { execArgv, stdio: ['ignore', 2, 2, 'ipc'] });
    const program = new BenchProgram<Output>(name, child);
    child.send(input as object);
    const message = await program.next();
    if (message.kind !== 'ready') throw new Error(`${name} has worked before it was told to`);
    return { program, info: message.info };
  }

  /** Does the work. The program stays, with its connections, so that the CPU time of what it used can be read. */
  async run(): Promise<ProgramResult<Output>> {
    this.child.send('go');
    const message = await this.next();
    if (message.kind !== 'result') throw new Error(`${this.name} has not worked`);
    return message.result;
  }

  /** Ends it in order, after its work. */
  async end(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.send('end');
    await exited;
  }

  /** Ends it wherever it is. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGTERM');
    await once(this.child, 'exit');
  }

  private next(): Promise<ProgramMessage<Output>> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null, signal: string | null) =>
        reject(new Error(`the bench program ${this.name} ended with ${signal ?? code}`));
      this.child.once('exit', onExit);
      this.child.once('message', (message) => {
        this.child.off('exit', onExit);
        resolve(message as ProgramMessage<Output>);
      });
    });
  }
}

/** Prepares, works and ends. */
export async function runProgram<Output>(
  name: string,
  input: unknown,
  options: { heapMB?: number } = {},
): Promise<ProgramResult<Output>> {
  const { program } = await BenchProgram.start<Output>(name, input, options);
  const result = await program.run();
  await program.end();
  return result;
}
