// Brings a checkout to the state the npm scripts need: dependencies as locked, sources compiled. Does nothing that is
// already done, so it is cheap to run first in every script; prints only when it does something.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
// As cli/node-version.ts, which is not compiled yet.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (!((major === 20 && minor >= 19) || major === 22 || major >= 24)) {
  console.error(
    `Tallyline needs Node 20.19 or newer, 22, or 24 and newer; this is ${process.versions.node}. Install one: https://nodejs.org`,
  );
  process.exit(1);
}

function run(what, command, args) {
  console.error(`setup: ${what}`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error || status !== 0) {
    console.error(`setup: '${command} ${args.join(' ')}' failed${error ? `: ${error.message}` : ''}`);
    process.exit(1);
  }
}

const lock = join(root, 'package-lock.json');
const installedLock = join(root, 'node_modules', '.tallyline-lock.json');
const isInstalled = existsSync(installedLock) && readFileSync(installedLock).equals(readFileSync(lock));
if (!isInstalled) {
  run('installing dependencies (npm ci; about 900 MB, once)', 'npm', [
    'ci',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts=false',
  ]);
  copyFileSync(lock, installedLock);
}
/** Paths, sizes and times of everything the compiler reads: where they are as they were, so is what it made of them. */
function sourceState() {
  const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'));
  const files = include.flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|json)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  const configurations = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].map((name) => join(root, name));
  const state = [...files, ...configurations].sort().map((file) => {
    const { size, mtimeMs } = statSync(file);
    return `${file} ${size} ${mtimeMs}`;
  });
  return createHash('sha256').update(state.join('\n')).digest('hex');
}

mkdirSync(join(root, 'dist'), { recursive: true });
const stamp = join(root, 'dist', '.sources');
const state = sourceState();
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== state) {
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
    { cwd: root, encoding: 'utf8' },
  );
  if (status !== 0) {
    console.error(stdout);
    console.error('setup: the sources do not compile');
    process.exit(1);
  }
  writeFileSync(stamp, state);
}
