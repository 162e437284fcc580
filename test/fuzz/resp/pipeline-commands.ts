/** The requests that pipelines are made of. Words in lower case stand for one of several: see `WORDS`. */
import type { Likeness } from './fuzz-case';

export interface CommandRow {
  readonly words: string;
  readonly likeness: Likeness;
}

/** What a word in lower case stands for; `k` is a key, `pattern` that of all keys of the lane. */
export const WORDS: Readonly<Record<string, readonly string[]>> = {
  value: [
    '',
    'a',
    '1',
    '-7',
    '3.5',
    'some words',
    'x'.repeat(100),
    '\r\n',
    '\0\xff',
    'é',
    '9223372036854775807',
  ],
  /** Short: longer ones turn a hash into a table, whose order is each server's own. */
  field: ['a', 'b', 'c', '1', '2'],
  int: ['0', '1', '-1', '2', '5', '-3', '100', 'x', '1.5'],
  /** A place or a count. */
  n: ['0', '1', '2', '5', '10'],
  place: ['0', '1', '-1', '-2', '3', '100'],
  float: ['0', '1', '1.5', '-2.25', '100', 'inf', 'x'],
  seconds: ['1000', '50000', '100000'],
  /** In the year 2033. */
  at: ['2000000000', '2000000001'],
  id: ['1-1', '1-2', '2-1', '3-0', '0-0', '5-5'],
  bit: ['0', '1'],
  side: ['LEFT', 'RIGHT'],
  channel: ['news', 'others'],
};

const EXACT = `
GET k | GET k | GET k | SET k value | SET k value | SET k value | SET k value NX | SET k value XX | SET k value GET
SET k value EX seconds | SET k value PX 5000000 | SET k value KEEPTTL | SET k value EXAT at | SET k value EX 0
SET k value NX XX | SETNX k value | SETEX k seconds value | SETEX k 0 value | PSETEX k 5000000 value | GETSET k value
GETDEL k | GETEX k | GETEX k EX seconds | GETEX k PERSIST | APPEND k value | STRLEN k | GETRANGE k place place
SETRANGE k n value | SUBSTR k 0 2 | INCR k | DECR k | INCRBY k int | DECRBY k int | INCRBYFLOAT k float
MGET k k | MGET k k k | MSET k value k value | MSETNX k value k value | MSET k value k | LCS k k | LCS k k LEN
SETBIT k n bit | GETBIT k n | BITCOUNT k | BITPOS k bit | BITOP AND k k k | BITOP NOT k k | BITFIELD k SET u8 0 int GET u8 0
BITFIELD_RO k GET u8 0 | PFADD k field field | PFCOUNT k | PFMERGE k k
DEL k | DEL k k | UNLINK k k | EXISTS k k k | TOUCH k k | TYPE k | RENAME k k | RENAMENX k k | COPY k k | COPY k k REPLACE
EXPIRE k seconds | PEXPIRE k 5000000 | EXPIREAT k at | PEXPIREAT k 2000000000000 | EXPIRE k seconds NX | EXPIRE k -1 | EXPIRE k x
PERSIST k | EXPIREAT k at GT | OBJECT ENCODING k | OBJECT NOSUCH k | MOVE k 0
LPUSH k value value | RPUSH k field field field | LPUSHX k value | RPUSHX k value | LPOP k | RPOP k | LPOP k n | LLEN k
LRANGE k 0 -1 | LRANGE k place place | LINDEX k place | LSET k place value | LINSERT k BEFORE field value | LREM k int field
LTRIM k place place | LPOS k field | LPOS k field COUNT 0 | LMOVE k k side side | RPOPLPUSH k k | LMPOP 2 k k side COUNT n
BLPOP k 0.01 | BRPOP k k 0.01 | BLMOVE k k side side 0.01 | BLMPOP 0.01 1 k side | BZPOPMIN k 0.01 | BRPOPLPUSH k k 0.01
HSET k field field | HSET k field 1 field 2 | HSETNX k field field | HMSET k field 1 | HGET k field | HMGET k field field
HGETALL k | HKEYS k | HVALS k | HLEN k | HDEL k field field | HEXISTS k field | HSTRLEN k field | HINCRBY k field int
HINCRBYFLOAT k field float
SADD k field field | SADD k value | SREM k field | SCARD k | SISMEMBER k field | SMISMEMBER k field field | SMOVE k k field
SINTERSTORE k k k | SUNIONSTORE k k k | SDIFFSTORE k k k | SINTERCARD 2 k k LIMIT n
ZADD k n field | ZADD k float field float field | ZADD k NX n field | ZADD k XX CH n field | ZADD k GT n field
ZADD k INCR float field | ZADD k NX XX 1 a | ZINCRBY k float field | ZREM k field | ZCARD k | ZSCORE k field
ZMSCORE k field field | ZRANK k field | ZREVRANK k field | ZCOUNT k 0 5 | ZCOUNT k ( x | ZRANGE k 0 -1
ZRANGE k 0 -1 WITHSCORES | ZRANGE k place place REV | ZRANGE k -inf +inf BYSCORE LIMIT n n | ZRANGE k - + BYLEX
ZREVRANGE k 0 -1 WITHSCORES | ZRANGEBYSCORE k (1 +inf WITHSCORES | ZRANGEBYLEX k [a [c | ZLEXCOUNT k - +
ZREMRANGEBYRANK k 0 0 | ZREMRANGEBYSCORE k 5 6 | ZPOPMIN k | ZPOPMAX k n | ZRANGESTORE k k 0 -1 | ZMPOP 1 k MIN
ZUNION 2 k k WITHSCORES | ZINTER 2 k k WITHSCORES | ZDIFF 2 k k | ZUNIONSTORE k 2 k k | ZINTERSTORE k 2 k k WEIGHTS 2 1
ZINTERCARD 2 k k | GEOADD k 13.36 38.11 field | GEOPOS k field | GEODIST k field field km | GEOHASH k field
GEOSEARCH k FROMLONLAT 15 37 BYRADIUS 300 km ASC
XADD k id field value | XADD k MAXLEN n id field value | XADD k NOMKSTREAM id field value | XLEN k | XRANGE k - +
XREVRANGE k + - COUNT n | XDEL k id | XTRIM k MAXLEN n | XREAD COUNT n STREAMS k 0 | XREAD STREAMS k k 0 1-1
XGROUP CREATE k g 0 | XGROUP CREATE k g 0 MKSTREAM | XGROUP DESTROY k g | XGROUP CREATECONSUMER k g c | XACK k g id
XREADGROUP GROUP g c COUNT n STREAMS k > | XREADGROUP GROUP g c STREAMS k 0 | XPENDING k g | XSETID k id
SORT k | SORT k ALPHA | SORT k ALPHA DESC LIMIT n n | SORT_RO k ALPHA | SORT k ALPHA STORE k
PING | PING value | ECHO value | ECHO | SELECT 0 | CLIENT SETNAME field | CLIENT GETNAME | CLIENT NOSUCH | PUBLISH channel value
NOSUCH | NOSUCH value value | GET | GET k k | HSET k field | EXEC | DISCARD | UNWATCH | COMMAND NOSUCH | SET k value nosuch
EVAL return{KEYS[1],ARGV[1]} 1 k value | EVAL return(redis.call('GET',KEYS[1])) 1 k | EVAL return{1,2,{3}} 0
EVALSHA ffffffffffffffffffffffffffffffffffffffff 0 | EVAL syntax( 0
`;

const ELEMENTS = `
SMEMBERS k | SUNION k k | SINTER k k | SDIFF k k | KEYS pattern | SCAN 0 MATCH pattern COUNT 100000
SSCAN k 0 COUNT 1000 | HSCAN k 0 COUNT 1000 | ZSCAN k 0 COUNT 1000
`;

const LIFE = `TTL k | PTTL k | EXPIRETIME k | PEXPIRETIME k`;

const CLASS = `
SRANDMEMBER k | HRANDFIELD k | ZRANDMEMBER k | SRANDMEMBER k 2 | DBSIZE | TIME | COMMAND COUNT | CLIENT ID | CLIENT INFO | RANDOMKEY
XINFO STREAM k | XINFO GROUPS k | MEMORY USAGE k
`;

function rows(text: string, likeness: Likeness): CommandRow[] {
  return text
    .split(/[\n|]/)
    .map((words) => words.trim())
    .filter((words) => words !== '')
    .map((words) => ({ words, likeness }));
}

export const COMMANDS: readonly CommandRow[] = [
  ...rows(EXACT, 'bytes'),
  ...rows(ELEMENTS, 'elements'),
  ...rows(LIFE, 'life'),
  ...rows(CLASS, 'class'),
];
