// Of kafkajs 2.2.4, which types only what it exports at its root.

declare module 'kafkajs/src/protocol/recordBatch/crc32C/index.js' {
  /** CRC-32C of all bytes, unsigned. */
  export default function crc32c(bytes: Buffer): number;
}

declare module 'kafkajs/src/broker/index.js' {
  import type { Broker } from 'kafkajs';

  export interface ProtocolRequest<Answer> {
    readonly request: {
      apiKey: number;
      apiVersion: number;
      apiName: string;
      encode(): Promise<{ buf: Buffer; buffer: Buffer }>;
    };
    readonly response: { decode(payload: Buffer): Promise<Answer>; parse(answer: Answer): Promise<Answer> };
  }

  export interface BrokerOptions {
    readonly connectionPool: unknown;
    readonly logger: unknown;
    readonly nodeId?: number;
    readonly versions?: unknown;
    readonly authenticationTimeout?: number;
    readonly allowAutoTopicCreation?: boolean;
  }

  const KafkajsBroker: new (
    options: BrokerOptions,
  ) => {
    readonly lookupRequest: (apiKey: number, definition: unknown) => (options: unknown) => ProtocolRequest<unknown>;
    readonly versions: Readonly<Record<number, { maxVersion: number }>> | null;
    readonly connectionPool: { send<Answer>(request: ProtocolRequest<Answer>): Promise<Answer> };
    disconnect(): Promise<void>;
    produce(options: Parameters<Broker['produce']>[0]): Promise<unknown>;
    joinGroup(request: unknown): Promise<{ generationId: number; memberId: string }>;
  };
  export default KafkajsBroker;
}

declare module 'kafkajs/src/protocol/requests/index.js' {
  const requests: { readonly requests: Readonly<Record<'Produce', unknown>> };
  export default requests;
}

declare module 'kafkajs/src/consumer/offsetManager/index.js' {
  /** Only what a test of the seam calls. */
  const OffsetManager: new (
    options: object,
  ) => {
    setDefaultOffset(partition: { topic: string; partition: number }): Promise<void>;
  };
  export default OffsetManager;
}
