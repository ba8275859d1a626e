// How a definition is told: to people by its aspects, to editors by a schema.

/** Aspects of a definition by name, each as one text: what is compared is what is shown. */
export type Terms = Readonly<Record<string, string>>;

/** A JSON Schema (2020-12). May refer to the definitions of the catalog's schema, such as "#/$defs/decimal". */
export type JsonSchema = Readonly<Record<string, unknown>>;
