// Whether test containers can be had on this machine.
import { spawn } from 'node:child_process';

let answer: Promise<boolean> | null = null;

/** True when a Docker engine answers. Asked once a process. */
export function dockerAnswers(): Promise<boolean> {
  answer ??= new Promise<boolean>((settle) => {
    const child = spawn('docker', ['version', '--format', '{{.Server.Version}}'], { stdio: 'ignore', timeout: 5_000 });
    child.once('error', () => settle(false));
    child.once('close', (status) => settle(status === 0));
  });
  return answer;
}
