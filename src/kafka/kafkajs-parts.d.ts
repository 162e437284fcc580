/**
 * The parts of kafkajs that are used: those that turn requests into bytes and answers into objects. The package tells
 * types of its consumers and producers only.
 */

declare module 'kafkajs/src/protocol/requests/index.js' {
  /** A request, and what makes an answer of the bytes that come back. */
  export interface Exchange<R> {
    readonly request: {
      readonly apiKey: number;
      readonly apiVersion: number;
      encode(): Promise<{ readonly buffer: Buffer }>;
    };
    readonly response: {
      decode(payload: Buffer): Promise<R>;
      /** The same again. @throws KafkaJSProtocolError with the broker's refusal */
      parse(decoded: R): Promise<R>;
    };
  }
  /** One kind of request, in all its versions. */
  export interface Definition<Q, R> {
    readonly versions: readonly string[];
    protocol(options: { version: number }): (question: Q) => Exchange<R>;
  }
  interface TopicPartitions<P> {
    readonly topic: string;
    readonly partitions: readonly ({ readonly partition: number } & P)[];
  }
  export interface KafkajsRequests {
    readonly requests: {
      readonly ApiVersions: Definition<
        undefined,
        {
          readonly apiVersions: readonly {
            readonly apiKey: number;
            readonly minVersion: number;
            readonly maxVersion: number;
          }[];
        }
      >;
      readonly SaslHandshake: Definition<
        { readonly mechanism: string },
        { readonly enabledMechanisms: readonly string[] }
      >;
      readonly SaslAuthenticate: Definition<{ readonly authBytes: Buffer }, unknown>;
      readonly Metadata: Definition<
        { readonly topics: readonly string[]; readonly allowAutoTopicCreation: boolean },
        {
          readonly brokers: readonly {
            readonly nodeId: number;
            readonly host: string;
            readonly port: number;
          }[];
          readonly clusterId: string | null;
          readonly controllerId: number;
          readonly topicMetadata: readonly {
            readonly topicErrorCode: number;
            readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
          }[];
        }
      >;
      readonly CreateTopics: Definition<
        {
          readonly topics: readonly {
            readonly topic: string;
            readonly numPartitions: number;
            readonly replicationFactor: number;
            readonly configEntries: readonly { readonly name: string; readonly value: string }[];
          }[];
          readonly validateOnly: boolean;
          readonly timeout: number;
        },
        unknown
      >;
      readonly DescribeConfigs: Definition<
        {
          readonly resources: readonly {
            readonly type: number;
            readonly name: string;
            readonly configNames: readonly string[];
          }[];
        },
        {
          readonly resources: readonly {
            readonly configEntries: readonly { readonly configName: string; readonly configValue: string }[];
          }[];
        }
      >;
      readonly ListOffsets: Definition<
        {
          readonly isolationLevel: number;
          readonly topics: readonly TopicPartitions<{ readonly timestamp: number }>[];
        },
        {
          readonly responses: readonly { readonly partitions: readonly { readonly offset: string }[] }[];
        }
      >;
      readonly Produce: Definition<
        {
          readonly acks: number;
          readonly timeout: number;
          readonly topicData: readonly TopicPartitions<{
            readonly messages: readonly {
              readonly key: Buffer;
              readonly value: Buffer | null;
              readonly headers: Readonly<Record<string, Buffer>>;
            }[];
          }>[];
        },
        {
          readonly topics: readonly {
            readonly partitions: readonly { readonly baseOffset: string; readonly logAppendTime: string }[];
          }[];
        }
      >;
      readonly Fetch: Definition<
        {
          readonly maxWaitTime: number;
          readonly minBytes: number;
          readonly maxBytes: number;
          readonly isolationLevel: number;
          readonly topics: readonly TopicPartitions<{
            readonly fetchOffset: number;
            readonly maxBytes: number;
          }>[];
        },
        unknown
      >;
    };
  }
  const kafkajsRequests: KafkajsRequests;
  export { kafkajsRequests as default };
}

declare module 'kafkajs/src/protocol/message/compression/index.js' {
  const compression: {
    /** Null: the bytes are not compressed. */
    lookupCodecByAttributes(attributes: number): { decompress(bytes: Buffer): Promise<Buffer> } | null;
  };
  export { compression as default };
}
