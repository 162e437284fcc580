/**
 * The grammar of `REDIS_NODES`, of `REDIS_CLUSTER`, and of `REDIS_SENTINELS`, where a node may also stand without its scheme:
 *
 *     shards = shard *( ";" shard )
 *     shard  = name "=" master *( "," replica )
 *     node   = ( "redis" / "rediss" ) "://" [ [ user ] ":" password "@" ] host [ ":" port ] [ "/" [ "0" ] ]
 *
 *     seeds     = node *( "," node )
 *     sentinels = sentinel *( "," sentinel )
 *     sentinel  = node / host [ ":" port ]
 *
 * The host is a name, an IPv4 address or an IPv6 address in brackets; user and password are percent-encoded; the port
 * is 6379 where none is given, and a Sentinel's 26379. Shards and nodes are called by their number in a fault: any
 * piece of a mistyped line may be a piece of a password.
 */
import type { ShardConfig } from '../engines/shard';
import type { NodeAddress } from '../redis/client';
import { Refused, type Parser } from './parsers';

/** What stands on the ring. */
const SHARD_NAME = '[A-Za-z0-9][\\w.-]{0,63}';
const SHARD_NAME_RULE = '1 to 64 letters, digits, dots, dashes or underscores, the first a letter or a digit';
const SHARD = new RegExp(`^\\s*(${SHARD_NAME})=(.*)$`, 's');
const NODE_PORT = 6379;
const SENTINEL_PORT = 26_379;

/** Every fault of the line at once. @throws Refused */
export const parseNodes: Parser<readonly ShardConfig[]> = (text) => {
  const reasons: string[] = [];
  const shardOf = new Map<string, number>();
  const readNode = nodeReader(parseNode, reasons);

  const shards = text.split(';').map((shardText, index): ShardConfig | undefined => {
    const place = `shard ${index + 1}`;
    const [, name, nodeTexts] = SHARD.exec(shardText) ?? [];
    if (name === undefined || nodeTexts === undefined) {
      reasons.push(`${place} must be written name=master,replica,… with a name of ${SHARD_NAME_RULE}`);
      return undefined;
    }
    const namesake = shardOf.get(name);
    if (namesake !== undefined) reasons.push(`${place} has the name of shard ${namesake}`);
    shardOf.set(name, index + 1);

    const [master, ...replicas] = nodeTexts
      .split(',')
      .map((nodeText, nodeIndex) => readNode(nodeText, `node ${nodeIndex + 1} of ${place}`))
      .filter((node) => node !== undefined);
    return master && { name, master, replicas };
  });

  if (reasons.length > 0) throw new Refused(reasons);
  return shards.filter((shard) => shard !== undefined);
};

/**
 * The Sentinels. User and password in a URL are the Sentinel's own; without them it is asked without: the nodes' are
 * never shown to it. With `rediss://` TLS is spoken to the Sentinels, and to the nodes that they name.
 * @throws Refused
 */
export const parseSentinels: Parser<readonly NodeAddress[]> = (text) =>
  parseList(text, 'sentinel', parseSentinel, 'the nodes speak TLS where the Sentinels do');

/** The nodes of a cluster that are asked for the others, divided by commas. @throws Refused */
export const parseSeeds: Parser<readonly NodeAddress[]> = (text) =>
  parseList(text, 'node', parseNode, 'the nodes that they name are spoken to in the same way');

/** The one Redis that carries what gateways write to each other. @throws Refused */
export const parseBusUrl: Parser<NodeAddress> = (text) => {
  const node = parseNode(text.trim());
  if (typeof node === 'string') throw new Refused([node]);
  return node;
};

/** Names of masters, divided by commas. @throws Refused */
export const parseMasters: Parser<readonly string[]> = (text) => {
  const names = text.split(',').map((name) => name.trim());
  const reasons = names.flatMap((name, index) => {
    const place = `name ${index + 1}`;
    if (!new RegExp(`^${SHARD_NAME}$`).test(name)) return [`${place} must have ${SHARD_NAME_RULE}`];
    const twin = names.indexOf(name);
    return twin < index ? [`${place} is the same as name ${twin + 1}`] : [];
  });
  if (reasons.length > 0) throw new Refused(reasons);
  return names;
};

/** The node, or what is wrong with its text. */
type NodeParser = (text: string) => NodeAddress | string;

/** Nodes divided by commas, with TLS to all or to none for this reason. @throws Refused */
function parseList(
  text: string,
  noun: string,
  parse: NodeParser,
  whyAllOrNone: string,
): readonly NodeAddress[] {
  const reasons: string[] = [];
  const readNode = nodeReader(parse, reasons);
  const nodes = text
    .split(',')
    .map((item, index) => readNode(item, `${noun} ${index + 1}`))
    .filter((node) => node !== undefined);
  if (new Set(nodes.map(({ tls }) => tls)).size > 1) {
    reasons.push(`all must be rediss:// URLs, or none: ${whyAllOrNone}`);
  }
  if (reasons.length > 0) throw new Refused(reasons);
  return nodes;
}

/** Reads one node of a setting after the other; what is wrong with it, or that it stood before, is added to `reasons`. */
function nodeReader(
  parse: NodeParser,
  reasons: string[],
): (text: string, place: string) => NodeAddress | undefined {
  const places = new Map<string, string>();
  return (text, place) => {
    const node = parse(text.trim());
    if (typeof node === 'string') {
      reasons.push(`${place} ${node}`);
      return undefined;
    }
    const address = `${node.host.toLowerCase()} ${node.port}`;
    const twin = places.get(address);
    if (twin !== undefined) reasons.push(`${place} has the address of ${twin}`);
    places.set(address, place);
    return node;
  };
}

function parseSentinel(text: string): NodeAddress | string {
  const node = parseUrl(text.includes('://') ? text : `redis://${text}`, SENTINEL_PORT);
  return typeof node === 'string' ? `${node}; without a scheme it is written host:port` : node;
}

function parseNode(text: string): NodeAddress | string {
  return parseUrl(text, NODE_PORT);
}

/** The node, or what is wrong with its URL. */
function parseUrl(text: string, defaultPort: number): NodeAddress | string {
  const [, scheme] = /^(rediss?):\/\/[^\s?#]+$/.exec(text) ?? [];
  const url = scheme === undefined || !URL.canParse(text) ? undefined : new URL(text);
  if (url === undefined) {
    return 'must be a redis:// or rediss:// URL without a query; special characters of a password are percent-encoded';
  }
  if (!['', '/', '/0'].includes(url.pathname)) return 'may name no database but 0';
  // WHATWG leaves the host of a scheme it does not know nearly as it stands.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!/^[\w.:-]+$/.test(host)) return 'must name a host';
  const port = url.port === '' ? defaultPort : Number(url.port);
  if (port === 0) return 'must have a port from 1 to 65535';
  try {
    const username = decodeURIComponent(url.username);
    const password = decodeURIComponent(url.password);
    if (username !== '' && password === '') return 'has a user without a password';
    return {
      host,
      port,
      tls: scheme === 'rediss',
      username: username === '' ? undefined : username,
      password: password === '' ? undefined : password,
    };
  } catch {
    return 'has a user or password whose percent-encoding is broken';
  }
}
