import { describe, expect, it } from '@jest/globals';
import { acceptedForm } from './accepted-form.ts';

describe('the form of an answer', () => {
  it.each([
    [undefined, 'json'],
    ['', 'json'],
    ['*/*', 'json'],
    ['application/json', 'json'],
    ['application/x-ndjson', 'ndjson'],
    ['Application/X-NDJSON; charset=utf-8', 'ndjson'],
    ['application/jsonl', 'ndjson'],
    ['text/csv', 'csv'],
    ['text/csv, application/json', 'csv'],
    ['application/json, text/csv', 'json'],
    ['application/json;q=0.5, text/csv;q=0.9', 'csv'],
    ['text/csv;q=0, */*', 'json'],
    ['text/html, text/csv;q=0.2, */*;q=0.1', 'csv'],
    ['text/csv;q=2, application/ndjson;q=0.1', 'ndjson'],
    ['text/html', 'json'],
    ['constructor', 'json'],
  ])('%j is %s', (accept, form) => expect(acceptedForm(accept)).toBe(form));
});
