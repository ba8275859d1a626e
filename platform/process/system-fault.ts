// What an error of the operating system means for whoever runs a command: what was tried, where, and what to do about
// it.
import { types } from 'node:util';

const MEANINGS: Readonly<Record<string, readonly [meaning: string, remedy: string]>> = {
  ECONNREFUSED: ['nothing listens there', 'start the server, or correct its address'],
  ECONNRESET: ['the other side ended the connection', 'look at what that server logs'],
  ETIMEDOUT: ['no answer came', 'check the address, and whether a firewall stands between'],
  EHOSTUNREACH: ['no way leads there', 'check the address and the network'],
  ENETUNREACH: ['no way leads there', 'check the address and the network'],
  ENOTFOUND: ['no such host is known', 'correct the name of the host'],
  EAI_AGAIN: ['the name server does not answer', 'check the name of the host and the network'],
  EROFS: ['the file system is read-only', 'choose another directory, or make this one writable'],
  ENOSPC: ['the disk is full', 'make room, or choose a directory on another disk'],
  EDQUOT: ['the quota of this user is used up', 'make room, or choose a directory on another disk'],
  EACCES: ['this user may not do that', 'give it the rights, or choose another place'],
  EPERM: ['this user may not do that', 'give it the rights, or choose another place'],
  ENOENT: ['there is no such file or directory', 'correct the path'],
  ENOTDIR: ['a part of the path is a file', 'correct the path'],
  EISDIR: ['that is a directory', 'name a file'],
  EIO: ['the disk failed', 'look at what the kernel logs, and choose another disk'],
  EMFILE: ['this process has as many files and connections open as it may', 'raise `ulimit -n`'],
  ENFILE: ['the machine has as many files open as it can', 'end what is not needed'],
};

interface SystemError extends Error {
  readonly code: string;
  readonly syscall?: string;
  readonly path?: string;
  readonly dest?: string;
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
}

/** Where it happened, as far as the error says. */
function placeOf({ path, dest, address, port, hostname }: SystemError): string {
  if (path !== undefined) return dest === undefined ? ` ${path}` : ` ${path} to ${dest}`;
  if (address !== undefined) return port === undefined ? ` ${address}` : ` ${address}:${port}`;
  return hostname === undefined ? '' : ` ${hostname}`;
}

/** "mkdir /data: the file system is read-only (EROFS): choose …", or null where it is no error of the system. */
export function systemFault(error: unknown): string | null {
  if (!types.isNativeError(error)) return null;
  // Every address of a host was tried: they failed alike, or the first says as much as any.
  if ('errors' in error && Array.isArray(error.errors)) return systemFault(error.errors[0]);
  if (!('code' in error) || typeof error.code !== 'string') return null;
  const fault = error as SystemError;
  if (!Object.hasOwn(MEANINGS, fault.code)) return null;
  const [meaning, remedy] = MEANINGS[fault.code]!;
  return `${fault.syscall ?? 'call'}${placeOf(fault)}: ${meaning} (${fault.code}): ${remedy}`;
}

/** The same in words for any error. */
export const reasonOf = (error: unknown): string =>
  systemFault(error) ?? (types.isNativeError(error) && error.message !== '' ? error.message : String(error));
