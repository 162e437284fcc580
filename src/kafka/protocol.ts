/**
 * Kafka's protocol, as far as it is used. Requests and answers are spelled by kafkajs, an optional dependency, which is loaded
 * here and nowhere else. Of it only the spelling is used, parts that it does not export by name (its version is pinned, the
 * tests fail without them), because of how its connections and consumers behave (2.2.4):
 *
 * - a consumer must join a group, which by a broker's default takes 3 s, and a rebalance more; a topic of one
 *   partition that everybody reads needs no group.
 * - a connection that a broker has closed during its handshake never settles; a frozen one is noticed after 30 s; each
 *   open connection has a timer that rings every millisecond.
 * - its reader takes an emptied batch of a compacted topic for the end of the topic.
 */
import type { Definition, Exchange } from 'kafkajs/src/protocol/requests/index.js';

export type { Exchange };

/** Kafka's own numbers for what a broker refuses. Source: Kafka protocol guide, error codes. */
export const OFFSET_OUT_OF_RANGE = 1;
export const UNKNOWN_TOPIC_OR_PARTITION = 3;
export const MESSAGE_TOO_LARGE = 10;

/** A kind of request, by the number that Kafka gives it. */
export interface Api<Q, R> {
  readonly apiKey: number;
  readonly definition: Definition<Q, R>;
  /** The newest version that is spoken. */
  readonly versionMax: number;
}

/** Which versions of which request a broker understands, by the request's number. */
export type BrokerVersions = ReadonlyMap<
  number,
  { readonly minVersion: number; readonly maxVersion: number }
>;

export type KafkaProtocol = Awaited<ReturnType<typeof loadProtocol>>;

/** @throws Error that says what to install where kafkajs is missing */
export async function loadProtocol() {
  const { requests, compression } = await loadParts();
  return {
    produce: apiOf(0, requests.Produce),
    // All brokers since 0.11 speak this version, whose answer `record-batches.ts` reads.
    fetch: { ...apiOf(1, requests.Fetch), versionMax: 4 },
    listOffsets: apiOf(2, requests.ListOffsets),
    metadata: apiOf(3, requests.Metadata),
    saslHandshake: apiOf(17, requests.SaslHandshake),
    apiVersions: apiOf(18, requests.ApiVersions),
    createTopics: apiOf(19, requests.CreateTopics),
    describeConfigs: apiOf(32, requests.DescribeConfigs),
    saslAuthenticate: apiOf(36, requests.SaslAuthenticate),
    /** For the records of a batch with these attributes. @throws Error where kafkajs does not know how */
    decompress: (attributes: number, bytes: Buffer): Promise<Buffer> => {
      const codec = compression.lookupCodecByAttributes(attributes);
      return codec === null ? Promise.resolve(bytes) : codec.decompress(bytes);
    },
  };
}

async function loadParts() {
  try {
    const [{ default: spelling }, { default: compression }] = await Promise.all([
      import('kafkajs/src/protocol/requests/index.js'),
      import('kafkajs/src/protocol/message/compression/index.js'),
    ]);
    return { requests: spelling.requests, compression };
  } catch (cause) {
    throw new Error(
      'Kafka needs the package kafkajs 2.2.4, which is not installed: npm install kafkajs@2.2.4',
      {
        cause,
      },
    );
  }
}

function apiOf<Q, R>(apiKey: number, definition: Definition<Q, R>): Api<Q, R> {
  return { apiKey, definition, versionMax: Math.max(...definition.versions.map(Number)) };
}

/** In the newest version that both sides know. @throws Error when there is none */
export function exchangeOf<Q, R>(api: Api<Q, R>, question: Q, versions: BrokerVersions): Exchange<R> {
  const spoken = versions.get(api.apiKey);
  const version = Math.min(api.versionMax, spoken?.maxVersion ?? -1);
  if (spoken === undefined || version < spoken.minVersion) {
    throw new Error(`the broker does not speak request ${api.apiKey} in a version up to ${api.versionMax}`);
  }
  return api.definition.protocol({ version })(question);
}

/** What a broker said in place of an answer; where kafkajs reads the answer, it throws an error of its own. */
export class BrokerRefusal extends Error {
  constructor(readonly code: number) {
    super(`the broker refused it with error ${code}`);
  }
}

/** The number of what the broker refused; undefined where it is no refusal. */
export function refusalOf(cause: unknown): number | undefined {
  if (cause instanceof BrokerRefusal) return cause.code;
  const isRefusal = cause instanceof Error && cause.name === 'KafkaJSProtocolError' && 'code' in cause;
  return isRefusal && typeof cause.code === 'number' ? cause.code : undefined;
}
