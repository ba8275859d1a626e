// Brings a checkout to the state the npm scripts need: dependencies as locked, sources compiled. Does nothing that is
// already done, so it is cheap to run first in every script; prints only when it does something.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
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
mkdirSync(join(root, 'dist'), { recursive: true });
// tsc is incremental: an unchanged tree costs about a second.
const { status, stdout } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
  {
    cwd: root,
    encoding: 'utf8',
  },
);
if (status !== 0) {
  console.error(stdout);
  console.error('setup: the sources do not compile');
  process.exit(1);
}
