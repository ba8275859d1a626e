// Transpiles the sources and the simulation into a directory of their own, as plain JavaScript: a run is then a plain
// node process, and starts fast. A mutant is the same directory with one file replaced.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { transformSync } from '@swc/core';
import { projectRoot } from '../../platform/process/project-root.ts';

const ROOMS = [
  ...['domain', 'platform', 'ingest', 'aggregator', 'rater', 'accounts'],
  ...['test/support', 'test/terms', 'test/simulation'],
];

// An option of swc that its types do not know.
const rewriting: object = { rewriteRelativeImportExtensions: true };

function compile(text: string, file: string): string {
  return transformSync(text, {
    filename: join(projectRoot, file),
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022', ...rewriting },
    module: { type: 'es6' },
    sourceMaps: 'inline',
  }).code;
}

const outputOf = (file: string): string => file.replace(/\.ts$/, '.js');

/** The TypeScript files a build is made of, as paths from the root of the project. */
function sources(): string[] {
  return ROOMS.flatMap((room) =>
    readdirSync(join(projectRoot, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !/\.(test|contract)\.ts$/.test(name))
      .map((name) => join(room, name)),
  );
}

/** A build that `remove` takes away. */
export class Build {
  readonly directory: string;

  private constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'tallyline-simulation-'));
  }

  static ofSources(): Build {
    const build = new Build();
    for (const file of sources()) build.write(file, readFileSync(join(projectRoot, file), 'utf8'));
    cpSync(join(projectRoot, 'schemas/avro'), join(build.directory, 'schemas/avro'), { recursive: true });
    writeFileSync(join(build.directory, 'package.json'), '{"type":"module"}');
    symlinkSync(join(projectRoot, 'node_modules'), join(build.directory, 'node_modules'));
    return build;
  }

  /** The same build with one source file replaced. */
  with(file: string, text: string): Build {
    const build = new Build();
    cpSync(this.directory, build.directory, { recursive: true, verbatimSymlinks: true });
    build.write(file, text);
    return build;
  }

  private write(file: string, text: string): void {
    const target = join(this.directory, outputOf(file));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, compile(text, file));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
