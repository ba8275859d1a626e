import { describe, expect, it } from '@jest/globals';
import { csvLines, jsonLines } from './row-lines.ts';

async function* inParts<Row>(...parts: readonly (readonly Row[])[]): AsyncGenerator<readonly Row[]> {
  yield* parts;
}

async function textsOf(pieces: AsyncIterable<string>): Promise<string[]> {
  const texts: string[] = [];
  for await (const piece of pieces) texts.push(piece);
  return texts;
}

async function* failing(): AsyncGenerator<readonly { n: number }[]> {
  yield [{ n: 1 }];
  throw new Error('the store went away');
}

describe('lines of JSON', () => {
  it('begin with what they are of, and end with how many there are', async () => {
    const { pieces } = jsonLines({ meter: 'm' }, inParts([{ n: 1 }, { n: 2 }], [], [{ n: 3 }]));
    expect((await textsOf(pieces)).join('')).toBe('{"meter":"m"}\n{"n":1}\n{"n":2}\n{"n":3}\n{"rows":3}\n');
    expect((await textsOf(jsonLines({}, inParts()).pieces)).join('')).toBe('{}\n{"rows":0}\n');
  });

  it('have no end where the rows break off', async () => {
    const texts: string[] = [];
    const reading = (async () => {
      for await (const piece of jsonLines({}, failing()).pieces) texts.push(piece);
    })();
    await expect(reading).rejects.toThrow('the store went away');
    expect(texts.join('')).toBe('{}\n{"n":1}\n');
  });

  it('give nothing out before the first rows are there', async () => {
    const { pieces } = jsonLines(
      {},
      (async function* (): AsyncGenerator<readonly object[]> {
        yield await Promise.reject(new Error('refused'));
      })(),
    );
    await expect(pieces[Symbol.asyncIterator]().next()).rejects.toThrow('refused');
  });

  it('come in pieces of a bounded size, however many rows come at once', async () => {
    const rows = Array.from({ length: 10_000 }, (_, n) => ({ n, text: 'x'.repeat(90) }));
    const texts = await textsOf(jsonLines({}, inParts(rows)).pieces);
    expect(texts.length).toBeGreaterThan(10);
    expect(Math.max(...texts.map(({ length }) => length))).toBeLessThan(66_000);
  });
});

describe('lines of CSV', () => {
  it('quote what has to be quoted', async () => {
    const fields = ['plain', 'a,b', 'say "x"', 'two\nlines', 'cr\r', ''];
    const { pieces } = csvLines(['one', 'a,b', 'c', 'd', 'e', 'f'], inParts([fields]), (row) => row);
    expect((await textsOf(pieces)).join('')).toBe(
      'one,"a,b",c,d,e,f\r\nplain,"a,b","say ""x""","two\nlines","cr\r",\r\n',
    );
  });

  it('of no rows are the names', async () => {
    const { pieces } = csvLines(['a', 'b'], inParts<string[]>(), (row) => row);
    expect(await textsOf(pieces)).toEqual(['a,b\r\n']);
  });
});
