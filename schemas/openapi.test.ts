// schemas/openapi.yaml says of the parameters what reads them, and schemas/openapi.d.ts is made of it: `npm run
// openapi` writes both.
import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { parseDocument } from 'yaml';
import { accountReads } from '../accounts/account-routes.ts';
import { describeParameters } from '../domain/requests/openapi-parameters.ts';
import { projectFile } from '../platform/process/project-root.ts';
import { reads } from '../query/reads.ts';
import { clientTypes } from '../test/support/client-types.ts';

const read = (name: string): string => readFileSync(projectFile(`schemas/${name}`), 'utf8');

it('the document has the parameters as they are read', () => {
  const document = parseDocument(read('openapi.yaml'));
  const written = document.toJS();
  expect(written.paths['/v1/meters/{meter}/usage'].get.parameters.length).toBeGreaterThan(6);
  describeParameters(document, { ...reads, ...accountReads });
  expect(document.toJS()).toEqual(written);
});

it('the types of clients are those of the document', async () => {
  expect(read('openapi.d.ts')).toBe(await clientTypes(read('openapi.yaml')));
});
