// Transpiles the sources and the simulation into a directory of their own, as plain JavaScript: a run is then a plain node
// process. A mutant is the same with one line of one file replaced.
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const ROOMS = ['domain', 'platform', 'ingest', 'aggregator', 'rater', 'test/simulation'];

function compile(text, file) {
  return transformSync(text, {
    filename: join(root, file),
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022', rewriteRelativeImportExtensions: true },
    module: { type: 'es6' },
    sourceMaps: 'inline',
  }).code;
}

const outputOf = (file) => file.replace(/\.ts$/, '.js');

/** `replace`: [file, text] pairs that stand in for the sources. */
export function build(directory, replace = []) {
  const replaced = new Map(replace);
  for (const room of ROOMS) {
    for (const name of readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || /\.(test|contract)\.ts$/.test(name)) continue;
      const file = join(room, name);
      const target = join(directory, outputOf(file));
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, compile(replaced.get(file) ?? readFileSync(join(root, file), 'utf8'), file));
    }
  }
  cpSync(join(root, 'schemas/avro'), join(directory, 'schemas/avro'), { recursive: true });
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
}
