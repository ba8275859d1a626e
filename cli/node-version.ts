// The versions of Node this runs on. They are checked before anything else is loaded: an older one would stumble over a
// name that it does not export, and say that instead. package.json (`engines`) and scripts/setup.mjs name the same
// versions; a test compares them.

/** As package.json writes it. Node 21 and 23 were never kept up, and parts of what we use refuse them. */
export const NODE_VERSIONS = '^20.19.0 || ^22.0.0 || >=24.0.0';

/** What is wrong with this version and what to do, or null. `version` is without the "v". */
export function nodeVersionFault(version: string): string | null {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if ((major === 20 && minor >= 19) || major === 22 || major >= 24) return null;
  return `Tallyline needs Node 20.19 or newer, 22, or 24 and newer; this is ${version}. Install one: https://nodejs.org`;
}
