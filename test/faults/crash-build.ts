// A copy of the compiled project in which the crash points are live. The product's own files stay as they are: a point
// is inserted into the copy as one statement, which asks a directory whether it is armed.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectFile } from '../../platform/process/project-root.ts';
import type { CrashPoint } from './crash-points.ts';

/** The number of places at which a text is found. */
export const occurrences = (text: string, find: string): number => text.split(find).length - 1;

const statement = (point: CrashPoint): string =>
  ` if (${point.when ?? 'true'}) globalThis.crashPoint?.(${JSON.stringify(point.name)}, ${JSON.stringify(point.stage)}); `;

/**
 * What runs first in every process of the copy. Renaming the file is what makes a point strike once, in one process.
 */
const prologue = (directory: string): string => `
import { existsSync as armedExists, readFileSync as armedRead, renameSync as armedRename } from 'node:fs';
const passes = new Map();
globalThis.crashPoint = (name, stage) => {
  if (process.argv[2] !== stage) return;
  const file = ${JSON.stringify(directory)} + '/armed-' + encodeURIComponent(name);
  if (!armedExists(file)) return;
  const pass = (passes.get(name) ?? 0) + 1;
  passes.set(name, pass);
  if (pass < Number(armedRead(file, 'utf8'))) return;
  armedRename(file, file.replace('/armed-', '/struck-'));
  process.kill(process.pid, 'SIGKILL');
};
`;

export class CrashBuild {
  /** Runs the copy. */
  readonly command: readonly [string, string];
  private readonly directory: string;

  /** Throws where a point's text is not there exactly once. */
  constructor(points: readonly CrashPoint[]) {
    this.directory = mkdtempSync(join(tmpdir(), 'tallyline-crash-build-'));
    const at = (path: string): string => join(this.directory, path);
    cpSync(projectFile('dist'), at('dist'), { recursive: true });
    for (const path of ['schemas', 'package.json']) cpSync(projectFile(path), at(path), { recursive: true });
    symlinkSync(projectFile('node_modules'), at('node_modules'));
    mkdirSync(at('points'));
    for (const file of new Set(points.map((point) => point.file))) {
      let text = readFileSync(at(join('dist', file)), 'utf8');
      for (const point of points.filter((each) => each.file === file)) {
        const found = occurrences(text, point.find);
        if (found !== 1) throw new Error(`${point.name}: its text is ${found} times in dist/${file}: ${point.find}`);
        const [before, after] = text.split(point.find) as [string, string];
        text =
          point.place === 'before'
            ? `${before}${statement(point)}${point.find}${after}`
            : `${before}${point.find}${statement(point)}${after}`;
      }
      writeFileSync(at(join('dist', file)), text);
    }
    const main = at('dist/cli/main.js');
    const [shebang, ...rest] = readFileSync(main, 'utf8').split('\n');
    if (!shebang!.startsWith('#!')) throw new Error(`${main} is expected to begin with #!`);
    writeFileSync(main, [shebang, prologue(at('points')), ...rest].join('\n'));
    this.command = [process.execPath, main];
  }

  /** From now on the point strikes, once. */
  arm({ name, pass = 1 }: CrashPoint): void {
    writeFileSync(this.file('armed', name), String(pass));
  }

  hasStruck({ name }: CrashPoint): boolean {
    return existsSync(this.file('struck', name));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private file(state: 'armed' | 'struck', name: string): string {
    return join(this.directory, 'points', `${state}-${encodeURIComponent(name)}`);
  }
}
