// Lets node run the project's TypeScript as it is, also where it cannot by itself (Node 20):
//   node --import ./scripts/typescript.mjs test/faults/run.ts
// Types are taken out, nothing is checked: `npm run typecheck` does that.
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
