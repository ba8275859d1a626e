import openapiTypescript, { astToString } from 'openapi-typescript';

/** The TypeScript of what an OpenAPI document says. */
export const clientTypes = async (text: string): Promise<string> =>
  `// Types of the API for its clients, written by \`npm run openapi\` from schemas/openapi.yaml.\n${astToString(
    await openapiTypescript(text),
  )}`;
