// Finds the files that are not code (schemas, SQL) from the sources and from dist/ alike.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(from: string): string {
  for (let dir = from; ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'package.json')) && existsSync(join(dir, 'schemas'))) return dir;
    if (dir === dirname(dir)) throw new Error(`no Tallyline installation above ${from}`);
  }
}

/** The directory that holds package.json and schemas/. */
export const projectRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Absolute path of a file of the project, e.g. `projectFile('schemas/avro/tick.v1.avsc')`. */
export const projectFile = (path: string): string => join(projectRoot, path);
