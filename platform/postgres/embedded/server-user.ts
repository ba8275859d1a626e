// Postgres refuses to run as root. Where this process is root (containers mostly), the server runs as another user that
// exists already; no account is created. Elsewhere the server simply runs as this user.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';

export interface ServerUser {
  /** Null: this process's own user. */
  readonly ids: { readonly uid: number; readonly gid: number } | null;
  /** The command that runs `file` as that user, with the ids to spawn it under. */
  command(file: string, args: readonly string[]): { file: string; args: readonly string[]; uid?: number; gid?: number };
}

const asIs: ServerUser = { ids: null, command: (file, args) => ({ file, args }) };

function accountIds(name: string): { uid: number; gid: number } | null {
  const id = (flag: string): number => {
    const { status, stdout } = spawnSync('id', [flag, name], { encoding: 'utf8' });
    return status === 0 ? Number(stdout) : Number.NaN;
  };
  const [uid, gid] = [id('-u'), id('-g')];
  return Number.isInteger(uid) && Number.isInteger(gid) && uid !== 0 ? { uid, gid } : null;
}

/**
 * Chooses the user for a server whose files live in `directory` (which exists): this one, or, for root, the directory's
 * owner, `postgres` or `nobody`, whichever comes first.
 */
export function serverUserFor(directory: string, executable: string): ServerUser {
  if (process.getuid?.() !== 0) return asIs;
  const owner = statSync(directory);
  const ids = owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : (accountIds('postgres') ?? accountIds('nobody'));
  if (ids === null) {
    throw new Error(
      'Postgres cannot run as root, and there is neither a user postgres nor nobody: set DATABASE_URL to a Postgres server',
    );
  }
  // The way to the files may be closed to that user (a checkout below /root): then it is lent root's right to pass.
  const reaches = ['-x', '-r'].every(
    (test, index) => spawnSync('test', [test, index === 0 ? directory : executable], { ...ids }).status === 0,
  );
  if (reaches) return { ids, command: (file, args) => ({ file, args, ...ids }) };
  const lend = [
    `--reuid=${ids.uid}`,
    `--regid=${ids.gid}`,
    '--clear-groups',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
  ];
  if (spawnSync('setpriv', [...lend, 'true']).status !== 0) {
    throw new Error(
      `Postgres cannot run as root, and user ${ids.uid} may not enter ${directory} or read ${executable}: ` +
        'choose a data directory and an installation that every user may enter, run as another user, or set DATABASE_URL',
    );
  }
  return { ids, command: (file, args) => ({ file: 'setpriv', args: [...lend, file, ...args] }) };
}
