/**
 * The grammar of `REDIS_NODES`:
 *
 *     shards = shard *( ";" shard )
 *     shard  = name "=" master *( "," replica )
 *     node   = ( "redis" / "rediss" ) "://" [ [ user ] ":" password "@" ] host [ ":" port ] [ "/" [ "0" ] ]
 *
 * The host is a name, an IPv4 address or an IPv6 address in brackets; user and password are percent-encoded; the port
 * is 6379 where none is given. Shards and nodes are called by their number in a fault: any piece of a mistyped line
 * may be a piece of a password.
 */
import type { ShardConfig } from '../engines/shard';
import type { NodeAddress } from '../redis/client';
import { Refused, type Parser } from './parsers';

/** Every fault of the line at once. @throws Refused */
export const parseNodes: Parser<readonly ShardConfig[]> = (text) => {
  const reasons: string[] = [];
  const shardOf = new Map<string, number>();
  const nodeOf = new Map<string, string>();

  const shards = text.split(';').map((shardText, index): ShardConfig | undefined => {
    const place = `shard ${index + 1}`;
    const [, name, nodeTexts] = /^\s*([A-Za-z0-9][\w.-]{0,63})=(.*)$/s.exec(shardText) ?? [];
    if (name === undefined || nodeTexts === undefined) {
      reasons.push(
        `${place} must be written name=master,replica,… with a name of 1 to 64 letters, digits, dots, dashes or underscores, the first a letter or a digit`,
      );
      return undefined;
    }
    const namesake = shardOf.get(name);
    if (namesake !== undefined) reasons.push(`${place} has the name of shard ${namesake}`);
    shardOf.set(name, index + 1);

    const nodes = nodeTexts.split(',').map((nodeText, nodeIndex): NodeAddress | undefined => {
      const nodePlace = `node ${nodeIndex + 1} of ${place}`;
      const node = parseNode(nodeText.trim());
      if (typeof node === 'string') {
        reasons.push(`${nodePlace} ${node}`);
        return undefined;
      }
      const address = `${node.host.toLowerCase()} ${node.port}`;
      const twin = nodeOf.get(address);
      if (twin !== undefined) reasons.push(`${nodePlace} has the address of ${twin}`);
      nodeOf.set(address, nodePlace);
      return node;
    });
    const [master, ...replicas] = nodes.filter((node) => node !== undefined);
    return master && { name, master, replicas };
  });

  if (reasons.length > 0) throw new Refused(reasons);
  return shards.filter((shard) => shard !== undefined);
};

/** The node, or what is wrong with its URL. */
function parseNode(text: string): NodeAddress | string {
  const [, scheme] = /^(rediss?):\/\/[^\s?#]+$/.exec(text) ?? [];
  const url = scheme === undefined || !URL.canParse(text) ? undefined : new URL(text);
  if (url === undefined) {
    return 'must be a redis:// or rediss:// URL without a query; special characters of a password are percent-encoded';
  }
  if (!['', '/', '/0'].includes(url.pathname)) return 'may name no database but 0';
  // WHATWG leaves the host of a scheme it does not know nearly as it stands.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!/^[\w.:-]+$/.test(host)) return 'must name a host';
  const port = url.port === '' ? 6379 : Number(url.port);
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
