// The sources of this project, for the tests that read them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFile } from '../../platform/process/project-root.ts';

/** The files below a room whose names fit, from the project's root. */
export const filesBelow = (room: string, name: RegExp): string[] =>
  readdirSync(projectFile(room), { recursive: true, encoding: 'utf8' })
    .filter((file) => name.test(file))
    .map((file) => join(room, file));

/** TypeScript that runs outside of tests. */
export const sourcesOf = (room: string): string[] =>
  filesBelow(room, /\.ts$/).filter((file) => !/\.(test|contract|fixture)\.ts$/.test(file));

export const textOf = (file: string): string => readFileSync(projectFile(file), 'utf8');
