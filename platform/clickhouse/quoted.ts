/** A text as SQL of ClickHouse has it, where no parameter may stand. */
export const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
