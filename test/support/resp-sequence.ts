/**
 * Some 400 commands of the Redis protocol that answer the same wherever they are sent in this order to an empty store,
 * as data. A line is a command in the words of redis-cli: `"…"` for words with blanks, `\xNN` and `\n` in them. In
 * front of it may stand how its reply is compared: `~` the elements of an array come in any order, `~~` so do its
 * pairs, `≈` a number may differ by what time has passed.
 */
import type { Word } from './resp-wire';

export type Comparison = 'exact' | 'unordered' | 'unordered pairs' | 'about';

export interface Step {
  /** As it stands below. */
  readonly line: string;
  readonly words: readonly Word[];
  readonly comparison: Comparison;
}

export interface Section {
  readonly name: string;
  /** Looks at, or changes, a part of a string value, or moves one to another key: not where values are encrypted. */
  readonly needsPlain: boolean;
  readonly steps: readonly Step[];
}

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  '~~': 'unordered pairs',
  '~': 'unordered',
  '≈': 'about',
};

function section(name: string, text: string, { needsPlain = false } = {}): Section {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return { name, needsPlain, steps: lines.map(parseLine) };
}

function parseLine(line: string): Step {
  const [, mark = '', command = ''] = /^(~~|~|≈)?\s*(.*)$/.exec(line) ?? [];
  const words = [...command.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
    Buffer.from(unescaped(quoted ?? plain ?? ''), 'latin1'),
  );
  return { line, words, comparison: COMPARISONS[mark] ?? 'exact' };
}

/** As latin1: a character is a byte. */
function unescaped(text: string): string {
  return Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(/\\x([0-9a-f]{2})|\\(.)/gi, (_, hex: string | undefined, sign: string) =>
      hex === undefined ? ({ n: '\n', r: '\r' }[sign] ?? sign) : String.fromCharCode(parseInt(hex, 16)),
    );
}

export const SEQUENCE: readonly Section[] = [
  section(
    'whole values',
    `
    GET v:none
    SET v hello
    GET v
    get v
    SET v "hello again"
    GET v
    GET v
    SET v:nx first NX
    SET v:nx second NX
    SET v:xx first XX
    GET v:xx
    SET v old GET
    SET v:fresh one GET
    SET v new XX GET
    GET v
    SET v:bytes "\\x00\\xff\\r\\n$5\\r\\n"
    GET v:bytes
    SET v:empty ""
    GET v:empty
    SET v:like "\\xferc\\x01\\x00a"
    GET v:like
    SET "" "empty key"
    GET ""
    SET "key with blanks" x
    GET "key with blanks"
    SET v x EX 100
    ≈ TTL v
    SET v y KEEPTTL
    ≈ TTL v
    SET v z PX 100000
    ≈ PTTL v
    SET v z EXAT 33177117420
    EXPIRETIME v
    SET v z PXAT 33177117420000
    PEXPIRETIME v
    SET v z
    TTL v
    SET v z EX 0
    SET v z EX -1
    SET v z EX abc
    SET v z PX 10 EX 10
    SET v z NX XX
    SET v z BOGUS
    SET v
    GET v
    SETEX v:ex 100 val
    ≈ TTL v:ex
    GET v:ex
    SETEX v:ex 0 val
    SETEX v:ex -5 val
    PSETEX v:ex 100000 val
    ≈ PTTL v:ex
    PSETEX v:ex 0 val
    SETNX v:snx a
    SETNX v:snx b
    GET v:snx
    GETSET v:gs a
    GETSET v:gs b
    GET v:gs
    GETDEL v:gs
    GETDEL v:gs
    GETEX v:snx
    GETEX v:snx EX 50
    ≈ TTL v:snx
    GETEX v:snx PERSIST
    TTL v:snx
    GETEX v:snx BOGUS
    GETEX v:none EX 10
    MSET m:1 a m:2 b m:3 c
    MGET m:1 m:2 m:none m:3
    MGET m:1
    MSET m:1 d m:1 e
    MGET m:1 m:1
    MSET m:1
    MSET m:1 x m:2
    MGET
    MSETNX m:1 x m:4 y
    MSETNX m:4 y m:5 z
    MGET m:4 m:5
    EXISTS m:1 m:2 m:1 m:none
    TOUCH m:1 m:none
    DEL m:1 m:none
    UNLINK m:2 m:3 m:none
    EXISTS m:1 m:2 m:3
    DEL
    GET
    GET a b
    DEL v v:nx v:fresh v:bytes v:empty v:like "" "key with blanks" v:ex v:snx m:4 m:5
    `,
  ),
  section(
    'strings in part',
    `
    SET p Hello
    APPEND p " World"
    GET p
    STRLEN p
    STRLEN p:none
    GETRANGE p 0 4
    GETRANGE p -5 -1
    GETRANGE p 5 2
    SUBSTR p 0 1
    SETRANGE p 6 Redis
    GET p
    SETRANGE p:pad 5 x
    GET p:pad
    SETRANGE p -1 x
    APPEND p:new abc
    GET p:new
    RENAME p p:moved
    GET p
    GET p:moved
    RENAME p:none p:other
    RENAMENX p:moved p:new
    RENAMENX p:moved p:other
    GET p:other
    COPY p:other p:copy
    COPY p:other p:copy
    COPY p:other p:copy REPLACE
    GET p:copy
    OBJECT ENCODING p:copy
    SET p:int 12
    OBJECT ENCODING p:int
    OBJECT REFCOUNT p:none
    DUMP p:int
    LCS p:copy p:other
    LCS p:copy p:new LEN
    DEL p:moved p:new p:other p:copy p:int p:pad
    `,
    { needsPlain: true },
  ),
  section(
    'counters',
    `
    INCR c
    INCR c
    GET c
    INCRBY c 40
    DECR c
    DECRBY c 11
    GET c
    INCRBYFLOAT c 0.5
    GET c
    INCR c
    INCRBY c:2 9223372036854775807
    INCR c:2
    SET c:text abc
    INCR c:text
    INCRBYFLOAT c:text 1
    INCRBY c:3 abc
    DECRBY c:3 -5
    GET c:3
    MGET c c:2 c:3
    DEL c c:2 c:3 c:text
    `,
    { needsPlain: true },
  ),
  section(
    'expiry',
    `
    SET e x
    EXPIRE e 100
    ≈ TTL e
    ≈ PTTL e
    EXPIRE e 200 NX
    EXPIRE e 200 XX
    EXPIRE e 100 GT
    EXPIRE e 100 LT
    EXPIRE e 100 BOGUS
    EXPIRE e abc
    EXPIRE e:none 100
    EXPIREAT e 33177117420
    EXPIRETIME e
    PEXPIREAT e 33177117420001
    PEXPIRETIME e
    PERSIST e
    PERSIST e
    TTL e
    PTTL e
    TTL e:none
    PTTL e:none
    EXPIRETIME e:none
    PEXPIRE e 100000
    ≈ PTTL e
    GET e
    EXPIRE e -1
    GET e
    EXISTS e
    TYPE e
    SET e again
    EXPIREAT e 1
    GET e
    `,
  ),
  section(
    'hashes',
    `
    HSET h a 1 b 2
    HSET h a 3
    HSET h a
    HSETNX h a 4
    HSETNX h c 5
    HGET h a
    HGET h none
    HGET h:none a
    HMSET h d 6 e 7
    HMGET h a b none
    ~~ HGETALL h
    HGETALL h:none
    ~ HKEYS h
    ~ HVALS h
    HLEN h
    HSTRLEN h a
    HEXISTS h a
    HEXISTS h none
    HINCRBY h a 10
    HINCRBY h new 1
    HINCRBYFLOAT h b 0.5
    HINCRBY h b 1
    HDEL h d none
    HRANDFIELD h:none
    ~~ HSCAN h 0
    HSCAN h abc
    ~~ HSCAN h 0 MATCH a* COUNT 100
    HSET h:one f v
    HRANDFIELD h:one
    HRANDFIELD h:one 1 WITHVALUES
    OBJECT ENCODING h
    TYPE h
    GET h
    MGET h h:one
    DEL h h:one
    `,
  ),
  section(
    'lists',
    `
    RPUSH l a b c
    LPUSH l z
    LPUSHX l y
    RPUSHX l:none y
    LRANGE l 0 -1
    LRANGE l 1 2
    LRANGE l 5 10
    LRANGE l 0 abc
    LLEN l
    LLEN l:none
    LINDEX l 0
    LINDEX l -1
    LINDEX l 100
    LSET l 0 Y
    LSET l 100 x
    LSET l:none 0 x
    LINSERT l BEFORE a before
    LINSERT l AFTER nobody x
    LPOS l a
    LPOS l nobody
    LPOS l a COUNT 0
    LREM l 0 before
    LTRIM l 0 3
    LRANGE l 0 -1
    LPOP l
    RPOP l
    LPOP l 2
    LPOP l 2
    RPOP l:none
    RPUSH l 1 2 3 4 5
    LMOVE l l:2 LEFT RIGHT
    RPOPLPUSH l l:2
    LRANGE l:2 0 -1
    LMPOP 2 l:none l LEFT COUNT 2
    LMPOP 1 l:none RIGHT
    BLPOP l 1
    RPUSH l x y
    BRPOP l:none l 1
    BLMOVE l l:2 LEFT LEFT 1
    BRPOPLPUSH l:2 l 1
    BLMPOP 1 1 l LEFT
    BLPOP l:nobody 0.01
    BRPOPLPUSH l:nobody l 0.01
    BLPOP l -1
    BLPOP l abc
    RPUSH l:sort 3 1 2
    SORT l:sort
    SORT l:sort DESC LIMIT 0 2
    SORT_RO l:sort
    SORT l:sort ALPHA STORE l:sorted
    LRANGE l:sorted 0 -1
    OBJECT ENCODING l:sort
    TYPE l:sort
    DEL l l:2 l:sorted l:sort
    `,
  ),
  section(
    'lists under other names',
    `
    RPUSH l 3 1 2
    RENAME l l:moved
    LLEN l:moved
    COPY l:moved l:copied
    LRANGE l:copied 0 -1
    DEL l l:moved l:copied
    `,
    { needsPlain: true },
  ),
  section(
    'sets',
    `
    SADD s a b c
    SADD s a d
    SCARD s
    ~ SMEMBERS s
    SMEMBERS s:none
    SISMEMBER s a
    SISMEMBER s z
    SMISMEMBER s a z
    SREM s a z
    SADD s:2 c d e
    ~ SINTER s s:2
    SINTERCARD 2 s s:2 LIMIT 1
    ~ SUNION s s:2
    ~ SDIFF s s:2
    SDIFFSTORE s:3 s s:2
    SUNIONSTORE s:4 s s:2
    SINTERSTORE s:5 s s:2
    SCARD s:4
    SMOVE s s:2 b
    SMOVE s s:2 nobody
    SADD s:one x
    SRANDMEMBER s:one
    SRANDMEMBER s:one -2
    SPOP s:one
    SPOP s:one
    SPOP s:one 3
    ~ SSCAN s:2 0
    SADD s:int 1 2 3
    OBJECT ENCODING s:int
    ~ SORT s BY nosort
    SADD s
    SADD
    DEL s s:2 s:3 s:4 s:5 s:int
    `,
  ),
  section(
    'sorted sets',
    `
    ZADD z 1 a 2 b 3 c
    ZADD z NX 9 a
    ZADD z XX CH 5 a
    ZADD z GT 4 a
    ZADD z INCR 1.5 b
    ZADD z NX XX 1 a
    ZADD z abc a
    ZSCORE z a
    ZSCORE z none
    ZMSCORE z a none b
    ZINCRBY z 2 c
    ZCARD z
    ZCOUNT z 2 4
    ZCOUNT z -inf (5
    ZRANGE z 0 -1
    ZRANGE z 0 -1 WITHSCORES
    ZRANGE z 2 5 BYSCORE LIMIT 0 1
    ZREVRANGE z 0 -1 WITHSCORES
    ZRANGEBYSCORE z 2 5 WITHSCORES
    ZREVRANGEBYSCORE z +inf 2
    ZRANK z a
    ZREVRANK z a
    ZRANK z none
    ZADD z:lex 0 a 0 b 0 c 0 d
    ZRANGEBYLEX z:lex [b (d
    ZREVRANGEBYLEX z:lex + [c
    ZLEXCOUNT z:lex - +
    ZREMRANGEBYLEX z:lex [a [a
    ZRANGESTORE z:copy z 0 1
    ZADD z:2 10 a 20 x
    ZUNION 2 z z:2 WITHSCORES
    ZINTER 2 z z:2 WEIGHTS 2 1 WITHSCORES
    ZDIFF 2 z z:2
    ZUNIONSTORE z:3 2 z z:2 AGGREGATE MAX
    ZINTERSTORE z:4 2 z z:2
    ZDIFFSTORE z:5 2 z z:2
    ZINTERCARD 2 z z:2
    ZRANGE z:3 0 -1 WITHSCORES
    ~~ ZSCAN z 0
    ZPOPMIN z
    ZPOPMAX z 2
    ZPOPMIN z
    ZMPOP 1 z:3 MIN COUNT 2
    BZPOPMIN z:3 1
    BZPOPMAX z:2 1
    BZMPOP 1 1 z:2 MIN
    BZPOPMIN z:none 0.01
    ZREMRANGEBYRANK z:5 0 0
    ZREMRANGEBYSCORE z:4 -inf +inf
    ZREM z:lex b none
    ZADD z:one inf m
    ZRANDMEMBER z:one
    ZRANGE z:one 0 -1 WITHSCORES
    OBJECT ENCODING z:one
    DEL z z:2 z:3 z:4 z:5 z:lex z:copy z:one
    `,
  ),
  section(
    'streams',
    `
    XADD x 1-1 f v
    XADD x 1-2 f v2 g w
    XADD x 1-1 f late
    XADD x NOMKSTREAM 2-1 f v
    XADD x:none NOMKSTREAM 2-1 f v
    XADD x MAXLEN 10 3-1 f v
    XLEN x
    XRANGE x - +
    XRANGE x 1-2 + COUNT 1
    XREVRANGE x + -
    XREAD COUNT 1 STREAMS x 0
    XREAD STREAMS x x:none 1-2 0
    XREAD STREAMS x $
    XREAD BLOCK 10 STREAMS x $
    XREAD BLOCK 10 STREAMS x 0
    XGROUP CREATE x g 0
    XGROUP CREATE x g 0
    XGROUP CREATE x:none g 0
    XGROUP CREATE x:made g $ MKSTREAM
    XGROUP CREATECONSUMER x g idle
    XREADGROUP GROUP g me COUNT 2 STREAMS x >
    XREADGROUP GROUP g me STREAMS x 0
    XREADGROUP GROUP nobody me STREAMS x >
    XREADGROUP GROUP g me BLOCK 10 STREAMS x:made >
    XPENDING x g
    XACK x g 1-1
    XACK x g 1-1
    XPENDING x g
    XCLAIM x g other 0 1-2 JUSTID
    XAUTOCLAIM x g other 0 0 JUSTID
    XGROUP SETID x g 1-2
    XGROUP DELCONSUMER x g idle
    XINFO STREAM x
    XDEL x 1-2 9-9
    XTRIM x MAXLEN 1
    XSETID x 5-5
    XRANGE x - +
    XGROUP DESTROY x g
    XADD x bad f v
    XADD x 7-7 f
    TYPE x
    DEL x x:made
    `,
  ),
  section(
    'bits, counts and places',
    `
    SETBIT b 7 1
    SETBIT b 7 0
    SETBIT b 1 1
    GETBIT b 1
    GETBIT b 100
    SETBIT b abc 1
    BITCOUNT b
    BITCOUNT b 0 -1 BIT
    BITPOS b 1
    BITFIELD b SET u8 0 255 GET u4 0 INCRBY u2 100 1
    BITFIELD_RO b GET u8 0
    SETBIT b:2 0 1
    BITOP OR b:3 b b:2
    BITOP NOT b:3 b
    GET b:3
    PFADD hll a b c
    PFADD hll a
    PFCOUNT hll
    PFADD hll:2 c d
    PFMERGE hll:3 hll hll:2
    PFCOUNT hll:3
    PFCOUNT hll hll:2
    PFCOUNT b
    GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
    GEODIST g Palermo Catania km
    GEOPOS g Palermo nobody
    GEOHASH g Palermo
    GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC
    GEOSEARCH g FROMMEMBER Palermo BYBOX 400 400 km ASC WITHDIST
    GEOSEARCHSTORE g:2 g FROMLONLAT 15 37 BYRADIUS 100 km
    GEORADIUS g 15 37 200 km WITHDIST ASC
    GEORADIUS g 15 37 200 km STORE g:3
    GEORADIUSBYMEMBER g Palermo 10 km
    GEOADD g 1000 1000 nowhere
    DEL b b:2 b:3 hll hll:2 hll:3 g g:2 g:3
    `,
    { needsPlain: true },
  ),
  section(
    'keys and scans',
    `
    MSET k:1 a k:2 b k:3 c
    RPUSH k:list x
    HSET k:hash f v
    DBSIZE
    ~ KEYS k:*
    ~ KEYS *
    KEYS none*
    ~ SCAN 0 COUNT 1000
    ~ SCAN 0 MATCH k:? COUNT 1000
    ~ SCAN 0 TYPE list COUNT 1000
    SCAN abc
    SCAN 0 COUNT 0
    SCAN 0 BOGUS
    TYPE k:1
    TYPE k:list
    TYPE k:none
    TYPE
    OBJECT FREQ k:none
    OBJECT HELP me
    OBJECT BOGUS k:1
    OBJECT
    GETEX k:list
    EXISTS k:1 k:hash
    DEL k:1 k:2 k:3 k:list k:hash
    DBSIZE
    RANDOMKEY
    `,
  ),
  section(
    'wrong types, wrong words',
    `
    RPUSH w:list a
    SET w:text b
    GET w:list
    GETSET w:list x
    GETDEL w:list
    GETEX w:list
    SET w:list x GET
    MGET w:list w:text
    INCR w:list
    APPEND w:list x
    STRLEN w:list
    LPUSH w:text x
    SADD w:text x
    ZADD w:text 1 x
    HSET w:text f v
    XADD w:text 1-1 f v
    PFADD w:list x
    SETBIT w:list 1 1
    SINTER w:list w:text
    BLPOP w:text 1
    SETNX w:list x
    NOSUCHCOMMAND
    NOSUCHCOMMAND with some words
    "no such\\r\\ncommand" "a\\r\\nb"
    LPUSH w:list
    SETEX w:list 10
    HGETALL
    ZADD w:zset 1
    EXPIRE w:text
    BITOP BOGUS a b
    LINSERT w:list BESIDE a b
    LRANGE w:list a b
    ECHO hello
    ECHO
    PING
    PING "hello there"
    PING a b
    DEL w:list w:text
    `,
  ),
  section(
    'transactions',
    `
    MULTI
    SET t 1
    INCR t:n
    GET t
    GET t:none
    RPUSH t:list a b
    LRANGE t:list 0 -1
    INCR t:list
    HSET t:hash f v
    HGETALL t:hash
    MGET t t:list
    EXEC
    GET t
    MULTI
    EXEC
    MULTI
    MULTI
    SET t 2
    DISCARD
    MULTI
    MULTI
    SET t 1
    EXEC
    MULTI
    DISCARD too
    SET t 2
    EXEC
    GET t
    EXEC
    DISCARD
    MULTI
    SET t 3
    NOSUCHCOMMAND
    SET t
    EXEC
    GET t
    WATCH t
    MULTI
    SET t 4
    EXEC
    GET t
    WATCH t
    SET t 5
    GET t
    MULTI
    SET t 6
    EXEC
    GET t
    WATCH t t:none
    UNWATCH
    SET t 7
    MULTI
    SET t 8
    EXEC
    GET t
    WATCH t:none
    MULTI
    WATCH t
    SETNX t:none x
    EXEC
    WATCH t
    INCR t:n
    DISCARD
    MULTI
    DISCARD
    WATCH
    MULTI
    BLPOP t:empty 0
    BLPOP t:list 0
    GETSET t 9
    GETEX t EX 100
    SET t 10 GET
    GETDEL t
    PING
    ECHO inside
    DEL t:none
    EXEC
    UNWATCH
    MULTI a
    EXEC a
    MULTI
    SET t 2
    EXEC a
    EXEC
    GET t
    MULTI
    SELECT 0
    TIME x
    EXEC
    DEL t t:n t:list t:hash
    `,
  ),
  section(
    'scripts',
    `
    EVAL "return 1" 0
    EVAL "return {KEYS[1], ARGV[1], false, {1, 2}}" 1 key arg
    EVAL "redis.call('set', KEYS[1], ARGV[1]) return redis.call('get', KEYS[1])" 1 lua value
    GET lua
    EVAL "return redis.call('incr', KEYS[1])" 1 lua
    EVAL "return redis.pcall('incr', KEYS[1])" 1 lua
    EVAL "return redis.error_reply('MY error')" 0
    EVAL "return redis.status_reply('FINE')" 0
    EVAL "return {double = 3.5}" 0
    EVAL "redis.setresp(3) return {map = {a = 1}}" 0
    EVAL "syntax error" 0
    EVAL "return 1" abc
    EVAL "return 1" 2 only
    EVAL "return 1"
    EVAL_RO "return redis.call('get', KEYS[1])" 1 lua
    EVAL_RO "return redis.call('set', KEYS[1], 'x')" 1 lua
    SCRIPT LOAD "return 42"
    EVALSHA 1fa00e76656cc152ad327c13fe365858fd7be306 0
    EVALSHA_RO 1fa00e76656cc152ad327c13fe365858fd7be306 0
    SCRIPT EXISTS 1fa00e76656cc152ad327c13fe365858fd7be306 ffffffffffffffffffffffffffffffffffffffff
    EVALSHA ffffffffffffffffffffffffffffffffffffffff 0
    SCRIPT BOGUS
    SCRIPT FLUSH
    SCRIPT EXISTS 1fa00e76656cc152ad327c13fe365858fd7be306
    MULTI
    EVAL "return redis.call('append', KEYS[1], '!')" 1 lua
    GET lua
    EXEC
    DEL lua
    `,
  ),
];
