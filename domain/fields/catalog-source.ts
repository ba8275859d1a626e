// A catalog's YAML text as a tree of fields, and the findings about them. Every finding names a place: the path from
// the root and the line and column where that path stands in the file. The text is bounded before anything is built
// from it.
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml';

/** Some ten thousand prices. */
export const CATALOG_BYTES_MAX = 8 * 1024 * 1024;
// Enough to reuse tiers; too few for "a billion laughs". The yaml package counts an alias of aliases as their product.
const ALIAS_COUNT_MAX = 100;
const ERRORS_MAX = 1000;

export type Path = readonly (string | number)[];

/** A map's key or its value, or how many characters into a value that is a text. */
export type Place = 'key' | 'value' | number;

/** What is wrong with a catalog file, and where. */
export interface CatalogError {
  readonly file: string;
  /** Counted from 1, as `column`. */
  readonly line: number;
  readonly column: number;
  /** E.g. `plans[0].prices[1].unitAmount`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** `prices.yaml:14:9 plans[0].prices[1].unitAmount: must be …` */
export const formatCatalogError = (error: CatalogError): string =>
  `${error.file}:${error.line}:${error.column} ${error.path === '' ? '' : `${error.path}: `}${error.message}`;

/** Far more than a catalog has; an error of the YAML itself may lie anywhere. */
const PATH_SEGMENTS_SHOWN_MAX = 24;

export function formatPath(path: Path): string {
  let text = '';
  if (path.length > PATH_SEGMENTS_SHOWN_MAX) return `${formatPath(path.slice(0, PATH_SEGMENTS_SHOWN_MAX))}…`;
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (/^[\w-]{1,64}$/.test(key)) text += text === '' ? key : `.${key}`;
    else text += `[${JSON.stringify(key.slice(0, 64))}]`;
  }
  return text;
}

/** The text of a map key; null for a key that is no scalar. */
const keyText = (key: unknown): string | null => (isScalar(key) ? String(key.value) : null);

/** Where a key stands that its map already has. */
function repeatedKeys(document: Document.Parsed): number[] {
  const offsets: number[] = [];
  visit(document, {
    Map(_, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        const text = keyText(key);
        if (text !== null && seen.has(text)) offsets.push((key as Node).range?.[0] ?? 0);
        else if (text !== null) seen.add(text);
      }
    },
  });
  return offsets;
}

export class CatalogSource {
  private readonly file: string;
  private readonly document: Document.Parsed;
  private readonly lines: LineCounter;
  private readonly text: string;
  private readonly found: CatalogError[] = [];

  private constructor(file: string, text: string, document: Document.Parsed, lines: LineCounter) {
    this.file = file;
    this.text = text;
    this.document = document;
    this.lines = lines;
  }

  /** The parsed text as plain values, or null where it can't be read at all; `source.errors` says why. */
  static parse(text: string, file: string): { source: CatalogSource; root: unknown; readable: boolean } {
    const lines = new LineCounter();
    const parse = (yaml: string): Document.Parsed =>
      parseDocument(yaml, {
        lineCounter: lines,
        prettyErrors: false,
        // The parser would compare each key with each; `repeatedKeys` looks it up.
        uniqueKeys: false,
        // Else a list as a key would be printed into one, and 1 and "1" would be two keys here and one in the catalog.
        stringKeys: true,
        version: '1.2',
        schema: 'core',
      });
    const refuse = (message: string) => {
      const source = new CatalogSource(file, '', parse(''), lines);
      source.add([], message);
      return { source, root: null, readable: false };
    };
    if (Buffer.byteLength(text) > CATALOG_BYTES_MAX) return refuse(`is larger than ${CATALOG_BYTES_MAX} bytes`);
    // Postgres, which keeps the text, can't hold it.
    if (text.includes('\0')) return refuse('holds a NUL character');
    let document: Document.Parsed;
    try {
      document = parse(text);
    } catch (error) {
      if (error instanceof RangeError) return refuse('is nested too deep');
      throw error;
    }
    // The parser's own word for a full stack, which it may also throw.
    if (document.errors.some(({ code }) => code === 'RESOURCE_EXHAUSTION')) return refuse('is nested too deep');
    const source = new CatalogSource(file, text, document, lines);
    const faults = [...document.errors, ...document.warnings];
    for (const { message, pos } of faults) source.addAt(pos[0], message);
    // A key that stands twice leaves the rest readable, so that all errors are told at once.
    for (const offset of repeatedKeys(document)) source.addAt(offset, 'Map keys must be unique');
    if (faults.length > 0) return { source, root: null, readable: false };
    try {
      return { source, root: document.toJS({ maxAliasCount: ALIAS_COUNT_MAX }), readable: true };
    } catch (error) {
      if (!(error instanceof ReferenceError || error instanceof RangeError)) throw error;
      source.add(
        [],
        error instanceof RangeError
          ? 'is nested too deep'
          : `uses YAML aliases (*name) too often or in a circle; the limit is ${ALIAS_COUNT_MAX}`,
      );
      return { source, root: null, readable: false };
    }
  }

  /** In the order of the file. */
  get errors(): readonly CatalogError[] {
    return this.found.toSorted((a, b) => a.line - b.line || a.column - b.column);
  }

  /** `at` says which of a map entry's two places is meant, or which character of a text. */
  add(path: Path, message: string, at: Place = 'value'): void {
    if (this.found.length >= ERRORS_MAX) return;
    const start = this.offsetOf(path, at === 'key' ? 'key' : 'value');
    this.push(start + (typeof at === 'number' ? this.behind(path, start, at) : 0), formatPath(path), message);
  }

  /** How far behind a text's start one of its characters stands in the file; 0 where it is written otherwise there. */
  private behind(path: Path, start: number, at: number): number {
    const node = this.nodeAt(path);
    if (!isScalar(node) || typeof node.value !== 'string') return 0;
    const quote = /^["']/.test(this.text.slice(start, start + 1)) ? 1 : 0;
    const written = this.text.slice(start + quote, start + quote + at);
    return written === node.value.slice(0, at) ? quote + at : 0;
  }

  /** The scalar's own text where it is one, so that 0.0000003 is not shown as 3e-7. */
  textOf(path: Path): string | null {
    const node = this.nodeAt(path);
    return isScalar(node) ? (node.source ?? null) : null;
  }

  private push(offset: number, path: string, message: string): void {
    const { line, col } = this.lines.linePos(offset);
    this.found.push({ file: this.file, line: Math.max(line, 1), column: Math.max(col, 1), path, message });
  }

  private addAt(offset: number, message: string): void {
    if (this.found.length < ERRORS_MAX) this.push(offset, formatPath(this.pathAt(offset)), message);
  }

  private resolve(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.document) : node;
  }

  private nodeAt(path: Path): unknown {
    let node: unknown = this.document.contents;
    for (const key of path) {
      const parent = this.resolve(node);
      if (isMap(parent)) node = parent.items.find((pair) => keyText(pair.key) === key)?.value;
      else if (isSeq(parent) && typeof key === 'number') node = parent.items[key];
      else return undefined;
    }
    return node;
  }

  /** Falls back to the nearest place above that is in the file: a missing key is reported at its map. */
  private offsetOf(path: Path, at: 'key' | 'value'): number {
    const parent = path.length === 0 ? undefined : this.resolve(this.nodeAt(path.slice(0, -1)));
    const pair = isMap(parent) ? parent.items.find(({ key }) => keyText(key) === path.at(-1)) : undefined;
    const node = (at === 'key' ? pair?.key : undefined) ?? this.nodeAt(path);
    const offset = (node as Node | null | undefined)?.range?.[0];
    if (offset !== undefined) return offset;
    return path.length === 0 ? 0 : this.offsetOf(path.slice(0, -1), 'value');
  }

  /**
   * The path of the last thing that begins at or before the offset, which is where a YAML error at the offset belongs.
   */
  private pathAt(offset: number): Path {
    const path: (string | number)[] = [];
    const begins = (node: unknown): boolean =>
      ((node as Node | null | undefined)?.range?.[0] ?? Number.POSITIVE_INFINITY) <= offset;
    for (let node: unknown = this.document.contents; ; ) {
      if (isMap(node)) {
        const pair = node.items.findLast(({ key }) => begins(key));
        const key = keyText(pair?.key);
        if (pair === undefined || key === null) return path;
        path.push(key);
        node = pair.value;
      } else if (isSeq(node)) {
        const index = node.items.findLastIndex(begins);
        if (index < 0) return path;
        path.push(index);
        node = node.items[index];
      } else return path;
    }
  }
}
