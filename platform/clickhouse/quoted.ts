const hexOf = (character: string): string => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;

/** A text as SQL of ClickHouse has it, where no parameter may stand. */
export const quoted = (text: string): string =>
  `'${text
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "\\'")
    .replaceAll(/[\x00-\x1f\x7f]/g, hexOf)}'`;
