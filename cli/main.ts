#!/usr/bin/env node
// The entry of the `tallyline` command. It imports nothing that an old Node could not load, and the command itself only
// after it knows that this Node can.
import { nodeVersionFault } from './node-version.ts';

const fault = nodeVersionFault(process.versions.node);
if (fault !== null) {
  process.stderr.write(`tallyline: ${fault}\n`);
  process.exit(1);
}
await import('./program.ts');
