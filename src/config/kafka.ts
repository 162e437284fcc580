/**
 * The grammar of `KAFKA_BROKERS` and `KAFKA_TOPIC`:
 *
 *     brokers = [ ( "kafka" / "kafkas" ) "://" [ user ":" password "@" ] ] broker *( "," broker )
 *     broker  = host [ ":" port ]
 *
 * `kafkas` is TLS to all of them; user and password are percent-encoded and sent by SASL PLAIN, and so under TLS only. The
 * port is 9092 where none is given.
 */
import type { KafkaAddress } from '../kafka/client';
import { Refused, type Parser } from './parsers';

const BROKERS = /^(?:(kafkas?):\/\/(?:([^:@\s]+):([^:@\s]+)@)?)?(.+)$/s;
const BROKER = /^(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/i;
const BROKER_PORT = 9092;

/** @throws Refused */
export const parseBrokers: Parser<KafkaAddress> = (text) => {
  const [, scheme, user, password, list = ''] = BROKERS.exec(text.trim()) ?? [];
  const reasons: string[] = [];
  const brokers = list.split(',').map((item, index) => {
    const [, host, port = BROKER_PORT] = BROKER.exec(item.trim()) ?? [];
    const isPort = Number(port) >= 1 && Number(port) <= 65_535;
    if (host === undefined || !isPort) reasons.push(`broker ${index + 1} must be written host:port`);
    return `${host ?? ''}:${port}`;
  });
  const tls = scheme === 'kafkas';
  if (user !== undefined && !tls) reasons.push('shows a password to whoever is on the way; write kafkas://');
  if (reasons.length > 0) throw new Refused(reasons);
  return { brokers, tls, ...credentialsOf(user, password) };
};

function credentialsOf(user: string | undefined, password: string | undefined): Pick<KafkaAddress, 'sasl'> {
  if (user === undefined || password === undefined) return { sasl: undefined };
  try {
    return { sasl: { username: decodeURIComponent(user), password: decodeURIComponent(password) } };
  } catch {
    throw new Refused(['has a user or password whose percent-encoding is broken']);
  }
}

/** As Kafka allows them. @throws Refused */
export const parseTopic: Parser<string> = (text) => {
  if (!/^[\w.-]{1,249}$/.test(text) || text === '.' || text === '..') {
    throw new Refused(['must have 1 to 249 letters, digits, dots, dashes or underscores']);
  }
  return text;
};
