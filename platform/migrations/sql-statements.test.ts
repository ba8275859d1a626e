import { describe, expect, it } from '@jest/globals';
import { splitStatements } from './sql-statements.ts';

describe('splitStatements', () => {
  it.each([
    ['two statements', 'SELECT 1; SELECT 2;', ['SELECT 1', 'SELECT 2']],
    ['no semicolon at the end', 'SELECT 1', ['SELECT 1']],
    ['a semicolon in a string', "SELECT 'a;b''c;' ; SELECT 2", ["SELECT 'a;b''c;'", 'SELECT 2']],
    ['a semicolon in a comment', 'SELECT 1 -- one; two\n, 3; /* ; */ SELECT 4', ['SELECT 1  \n, 3', 'SELECT 4']],
    ['a quote in a comment', "-- isn't\nSELECT 1; SELECT 2", ['SELECT 1', 'SELECT 2']],
    ['an escaped quote', "SELECT 'a\\';b'; SELECT 2", ["SELECT 'a\\';b'", 'SELECT 2']],
    ['nothing', ' ; -- nothing\n ;', []],
  ])('%s', (_name, sql, statements) => {
    expect(splitStatements(sql)).toEqual(statements);
  });
});
