// Of kafkajs 2.2.4, which types only what it exports at its root.

declare module 'kafkajs/src/protocol/recordBatch/crc32C/index.js' {
  /** CRC-32C of all bytes, unsigned. */
  export default function crc32c(bytes: Buffer): number;
}

declare module 'kafkajs/src/broker/index.js' {
  const Broker: { readonly prototype: Record<string, unknown> };
  export default Broker;
}

declare module 'kafkajs/src/protocol/requests/index.js' {
  const requests: { readonly requests: Readonly<Record<'Produce', unknown>> };
  export default requests;
}
