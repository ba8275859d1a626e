// `npm run openapi`: schemas/openapi.yaml with the parameters as they are read, and schemas/openapi.d.ts, the types of
// clients.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { accountReads } from '../accounts/account-routes.ts';
import { describeParameters } from '../domain/requests/openapi-parameters.ts';
import { projectFile } from '../platform/process/project-root.ts';
import { reads } from '../query/reads.ts';
import { clientTypes } from '../test/support/client-types.ts';

const file = projectFile('schemas/openapi.yaml');
const document = parseDocument(readFileSync(file, 'utf8'));
describeParameters(document, { ...reads, ...accountReads });
const text = document.toString({ lineWidth: 120 });
writeFileSync(file, text);
writeFileSync(projectFile('schemas/openapi.d.ts'), await clientTypes(text));
