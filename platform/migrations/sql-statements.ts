// Cuts a file of SQL into its statements, for stores that take one at a time.

// A quoted string or name, a comment, or the end of a statement; whatever comes first.
const TOKEN = /'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|--[^\n]*|\/\*[\s\S]*?\*\/|;/g;

/** The statements between semicolons, without comments around them and without empty ones. */
export function splitStatements(sql: string): string[] {
  const statements: string[] = [];
  let current = '';
  let end = 0;
  for (const match of sql.matchAll(TOKEN)) {
    current += sql.slice(end, match.index);
    end = match.index + match[0].length;
    if (match[0] === ';') {
      statements.push(current);
      current = '';
    } else if (match[0].startsWith('--') || match[0].startsWith('/*')) {
      current += ' ';
    } else {
      current += match[0];
    }
  }
  statements.push(current + sql.slice(end));
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '');
}
