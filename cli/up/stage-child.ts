// A stage as a child process. It tells over the IPC channel when it serves, is told there to drain, and ends by itself
// when the channel closes because this process is gone.
import { spawn } from 'node:child_process';
import { STOP_MESSAGE } from '../../platform/process/lifecycle.ts';
import { STAGE_NODE_FLAGS } from '../stage/stage-node-flags.ts';
import type { ReadyMessage } from '../stage/stage-process.ts';
import type { ProcessName } from '../stage/stage-table.ts';
import type { Running } from './keeper.ts';

export interface StageChild extends Running {
  /** Where it serves HTTP. */
  readonly url: string;
}

/** Longer than a stage gives itself. */
const STOP_TIMEOUT_MS = 35_000;

/** The command this process was started with, to start its siblings. */
export const ownCommand = (): [string, ...string[]] => [process.execPath, ...process.execArgv, process.argv[1]!];

/** Starts a stage; resolves once it serves. Its logs go to this process's stderr. */
export async function startStageChild(name: ProcessName, environment: NodeJS.ProcessEnv): Promise<StageChild> {
  const [file, ...args] = ownCommand();
  const child = spawn(file, [...STAGE_NODE_FLAGS, ...args, name], { env: environment, stdio: ['ignore', 2, 2, 'ipc'] });
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`status ${code ?? signal}`));
  });
  const ended = exited.then((how) => {
    throw new Error(`stage ${name} ended (${how}); its own lines above say why`);
  });
  const serving = new Promise<string>((resolve) => {
    child.on('message', (message) => resolve((message as ReadyMessage).ready));
  });
  const url = await Promise.race([serving, ended]);

  let stopping: Promise<void> | null = null;
  const failed = ended.catch((error: unknown) =>
    stopping === null ? Promise.reject(error) : new Promise<never>(() => {}),
  );
  failed.catch(() => {});
  const stop = async (): Promise<void> => {
    if (child.connected) child.send(STOP_MESSAGE, () => {});
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  };
  return {
    pid: child.pid!,
    url,
    failed,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}
