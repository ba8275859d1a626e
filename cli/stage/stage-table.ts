// The stages, each a command and a process of its own; and `edge` (internal), ingest and query behind one port, as `up` runs them.
export const stages = {
  ingest: 'the gateway: takes events over HTTP and appends them to the log',
  aggregator: 'counts the log into usage windows',
  rater: 'prices closed windows into line items',
  query: 'the read API and the status page',
  edge: 'ingest and query behind one port (internal)',
} as const;

export type StageName = keyof typeof stages;
