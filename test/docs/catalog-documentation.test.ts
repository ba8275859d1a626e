// docs/use/catalog.md says what the code does: its example is a catalog.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { formatCatalogError, readCatalog } from '../../domain/catalog/catalog-file.ts';
import { projectFile } from '../../platform/process/project-root.ts';

const text = readFileSync(projectFile('docs/use/catalog.md'), 'utf8');

describe('docs/use/catalog.md', () => {
  it('has an example that is a catalog', () => {
    const [, example] = /^```yaml\n(.*?)^```$/ms.exec(text)!;
    const reading = readCatalog(example!, 'example.yaml');
    expect(reading.ok ? [] : reading.errors.map(formatCatalogError)).toEqual([]);
  });
});
