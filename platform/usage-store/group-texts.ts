// Group values as they are stored: a JSON array of texts, in the order of the meter's dimensions. A dimension that came
// later has no value in older rows, and "" is what it has there. So values that are "" at the end may be left out or
// not, and are the same (docs/inside/meters-in-time.md, M5).

const textOf = (values: readonly string[]): string => JSON.stringify(values);

/** All texts that some values may be stored as; the first has all of them. */
export function storedGroupTexts(values: readonly string[]): string[] {
  const texts = [textOf(values)];
  for (let length = values.length; length > 0 && values[length - 1] === ''; length--) {
    texts.push(textOf(values.slice(0, length - 1)));
  }
  return texts;
}

/** SQL of the one text for what is the same: without values that are "" at the end. `text`: SQL of a stored one. */
export const groupTextWithoutEnd = (text: string): string =>
  `replaceRegexpOne(replaceRegexpOne(toString(${text}), '(,"")+\\\\]$', ']'), '^\\\\[""\\\\]$', '[]')`;
