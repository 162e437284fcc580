/**
 * A well-formed invocation of every command that the RESP door knows, and of every form of it that names further keys, as
 * data. `{1}`, `{2}` … are the places of keys, channels and what patterns begin with; other words are as they stand.
 */
import { allCommands } from '../../src/doors/resp/command-table';
import type { Word } from './resp-wire';

export interface Sample {
  /** As it stands below. */
  readonly line: string;
  /** As the table of commands names it: `set`, `config|get`. */
  readonly command: string;
  /** How many places there are. */
  readonly places: number;
  /** With these in its places, the last of them in all that remain. */
  words(...keys: readonly string[]): Word[];
}

const LINES = `
  APPEND {1} v
  DECR {1}
  DECRBY {1} 2
  DELEX {1}
  DIGEST {1}
  GET {1}
  GETDEL {1}
  GETEX {1}
  GETEX {1} EX 100
  GETEX {1} PERSIST
  GETRANGE {1} 0 -1
  GETSET {1} v
  INCR {1}
  INCRBY {1} 2
  INCRBYFLOAT {1} 0.5
  LCS {1} {2}
  LCS {1} {2} IDX WITHMATCHLEN
  MGET {1}
  MGET {1} {2} {3}
  MSET {1} v
  MSET {1} v {2} v
  MSETEX 2 {1} v {2} v EX 100
  MSETNX {1} v
  MSETNX {1} v {2} v
  PSETEX {1} 100000 v
  SET {1} v
  SET {1} v GET
  SET {1} v EX 100 NX
  SET {1} v XX KEEPTTL
  SETEX {1} 100 v
  SETNX {1} v
  SETRANGE {1} 0 v
  STRLEN {1}
  SUBSTR {1} 0 -1

  BITCOUNT {1}
  BITCOUNT {1} 0 -1 BYTE
  BITFIELD {1} GET u8 0
  BITFIELD {1} SET u8 0 1 INCRBY u8 0 1
  BITFIELD_RO {1} GET u8 0
  BITOP AND {1} {2}
  BITOP XOR {1} {2} {3}
  BITOP NOT {1} {2}
  BITPOS {1} 1
  GETBIT {1} 0
  SETBIT {1} 0 1
  PFADD {1} a
  PFCOUNT {1}
  PFCOUNT {1} {2}
  PFDEBUG GETREG {1}
  PFMERGE {1} {2}
  PFMERGE {1} {2} {3}
  PFSELFTEST

  COPY {1} {2}
  COPY {1} {2} DB 0 REPLACE
  COPY {1} {2} DB 1
  DEL {1}
  DEL {1} {2}
  DUMP {1}
  EXISTS {1}
  EXISTS {1} {2}
  EXPIRE {1} 100
  EXPIREAT {1} 33177117420 NX
  EXPIRETIME {1}
  KEYS {1}*
  KEYS *
  MIGRATE 127.0.0.1 1 {1} 0 100
  MIGRATE 127.0.0.1 1 "" 0 100 KEYS {1} {2}
  MOVE {1} 1
  OBJECT ENCODING {1}
  OBJECT FREQ {1}
  OBJECT HELP
  OBJECT IDLETIME {1}
  OBJECT REFCOUNT {1}
  PERSIST {1}
  PEXPIRE {1} 100000
  PEXPIREAT {1} 33177117420000
  PEXPIRETIME {1}
  PTTL {1}
  RANDOMKEY
  RENAME {1} {2}
  RENAMENX {1} {2}
  RESTORE {1} 0 payload
  RESTORE {1} 0 payload REPLACE ABSTTL IDLETIME 1
  SCAN 0
  SCAN 0 MATCH {1}* COUNT 1000
  SORT {1}
  SORT {1} LIMIT 0 10 ASC ALPHA
  SORT {1} BY nosort GET #
  SORT {1} STORE {2}
  SORT {1} BY nosort STORE {2}
  SORT {1} BY {2}*
  SORT {1} BY {2}*->f GET # GET {3}*
  SORT {1} GET {2}* STORE {3}
  SORT_RO {1}
  SORT_RO {1} BY nosort GET #
  SORT_RO {1} BY {2}* GET {3}*
  TOUCH {1}
  TOUCH {1} {2}
  TTL {1}
  TYPE {1}
  UNLINK {1}
  UNLINK {1} {2}
  WAIT 0 10
  WAITAOF 0 0 10

  HDEL {1} f
  HEXISTS {1} f
  HEXPIRE {1} 100 FIELDS 1 f
  HEXPIREAT {1} 33177117420 FIELDS 1 f
  HEXPIRETIME {1} FIELDS 1 f
  HGET {1} f
  HGETALL {1}
  HGETDEL {1} FIELDS 1 f
  HGETEX {1} FIELDS 1 f
  HINCRBY {1} n 1
  HINCRBYFLOAT {1} n 1.5
  HKEYS {1}
  HLEN {1}
  HMGET {1} f g
  HMSET {1} f v
  HPERSIST {1} FIELDS 1 f
  HPEXPIRE {1} 100000 FIELDS 1 f
  HPEXPIREAT {1} 33177117420000 FIELDS 1 f
  HPEXPIRETIME {1} FIELDS 1 f
  HPTTL {1} FIELDS 1 f
  HRANDFIELD {1} 2 WITHVALUES
  HSCAN {1} 0
  HSET {1} f v g w
  HSETEX {1} FIELDS 1 f v
  HSETNX {1} f v
  HSTRLEN {1} f
  HTTL {1} FIELDS 1 f
  HVALS {1}

  BLMOVE {1} {2} LEFT RIGHT 0.01
  BLMPOP 0.01 1 {1} LEFT
  BLMPOP 0.01 2 {1} {2} RIGHT COUNT 2
  BLPOP {1} 0.01
  BLPOP {1} {2} 0.01
  BRPOP {1} 0.01
  BRPOP {1} {2} 0.01
  BRPOPLPUSH {1} {2} 0.01
  LINDEX {1} 0
  LINSERT {1} BEFORE a b
  LLEN {1}
  LMOVE {1} {2} LEFT RIGHT
  LMPOP 1 {1} LEFT
  LMPOP 2 {1} {2} LEFT COUNT 2
  LPOP {1}
  LPOP {1} 2
  LPOS {1} a
  LPUSH {1} a b
  LPUSHX {1} a
  LRANGE {1} 0 -1
  LREM {1} 0 a
  LSET {1} 0 a
  LTRIM {1} 0 -1
  RPOP {1}
  RPOPLPUSH {1} {2}
  RPUSH {1} a b
  RPUSHX {1} a

  SADD {1} a b
  SCARD {1}
  SDIFF {1} {2}
  SDIFFSTORE {1} {2} {3}
  SINTER {1} {2}
  SINTERCARD 1 {1}
  SINTERCARD 2 {1} {2} LIMIT 1
  SINTERSTORE {1} {2} {3}
  SISMEMBER {1} a
  SMEMBERS {1}
  SMISMEMBER {1} a b
  SMOVE {1} {2} a
  SPOP {1}
  SRANDMEMBER {1} 2
  SREM {1} a
  SSCAN {1} 0
  SUNION {1} {2}
  SUNIONSTORE {1} {2} {3}

  BZMPOP 0.01 1 {1} MIN
  BZMPOP 0.01 2 {1} {2} MAX COUNT 2
  BZPOPMAX {1} 0.01
  BZPOPMAX {1} {2} 0.01
  BZPOPMIN {1} 0.01
  BZPOPMIN {1} {2} 0.01
  ZADD {1} 1 a
  ZADD {1} XX CH INCR 1 a
  ZCARD {1}
  ZCOUNT {1} -inf +inf
  ZDIFF 1 {1}
  ZDIFF 2 {1} {2} WITHSCORES
  ZDIFFSTORE {1} 2 {2} {3}
  ZINCRBY {1} 1 a
  ZINTER 2 {1} {2} WEIGHTS 1 2 AGGREGATE SUM
  ZINTERCARD 2 {1} {2} LIMIT 1
  ZINTERSTORE {1} 2 {2} {3} WEIGHTS 1 2
  ZLEXCOUNT {1} - +
  ZMPOP 1 {1} MIN
  ZMPOP 2 {1} {2} MAX COUNT 2
  ZMSCORE {1} a b
  ZPOPMAX {1}
  ZPOPMIN {1} 2
  ZRANDMEMBER {1} 2 WITHSCORES
  ZRANGE {1} 0 -1
  ZRANGE {1} 0 1 BYSCORE REV LIMIT 0 1
  ZRANGEBYLEX {1} - +
  ZRANGEBYSCORE {1} -inf +inf
  ZRANGESTORE {1} {2} 0 -1
  ZRANK {1} a
  ZREM {1} a
  ZREMRANGEBYLEX {1} - +
  ZREMRANGEBYRANK {1} 0 -1
  ZREMRANGEBYSCORE {1} -inf +inf
  ZREVRANGE {1} 0 -1
  ZREVRANGEBYLEX {1} + -
  ZREVRANGEBYSCORE {1} +inf -inf
  ZREVRANK {1} a
  ZSCAN {1} 0
  ZSCORE {1} a
  ZUNION 2 {1} {2}
  ZUNIONSTORE {1} 2 {2} {3} AGGREGATE MAX

  GEOADD {1} 13 38 a
  GEODIST {1} a b
  GEOHASH {1} a
  GEOPOS {1} a
  GEORADIUS {1} 15 37 200 km
  GEORADIUS {1} 15 37 200 km WITHDIST COUNT 3 ANY ASC
  GEORADIUS {1} 15 37 200 km STORE {2}
  GEORADIUS {1} 15 37 200 km COUNT 3 STOREDIST {2}
  GEORADIUS_RO {1} 15 37 200 km
  GEORADIUSBYMEMBER {1} a 200 km
  GEORADIUSBYMEMBER {1} store 200 km STORE {2}
  GEORADIUSBYMEMBER {1} a 200 km STOREDIST {2}
  GEORADIUSBYMEMBER_RO {1} a 200 km
  GEOSEARCH {1} FROMLONLAT 15 37 BYRADIUS 200 km ASC
  GEOSEARCHSTORE {1} {2} FROMLONLAT 15 37 BYRADIUS 200 km

  XACK {1} g 1-1
  XACKDEL {1} g IDS 1 1-1
  XADD {1} * f v
  XADD {1} NOMKSTREAM MAXLEN ~ 10 * f v
  XAUTOCLAIM {1} g c 0 0
  XCLAIM {1} g c 0 1-1
  XDEL {1} 1-1
  XDELEX {1} IDS 1 1-1
  XGROUP CREATE {1} g $ MKSTREAM
  XGROUP CREATECONSUMER {1} g c
  XGROUP DELCONSUMER {1} g c
  XGROUP DESTROY {1} g
  XGROUP HELP
  XGROUP SETID {1} g $
  XINFO CONSUMERS {1} g
  XINFO GROUPS {1}
  XINFO HELP
  XINFO STREAM {1} FULL
  XLEN {1}
  XPENDING {1} g
  XRANGE {1} - +
  XREAD STREAMS {1} 0
  XREAD COUNT 2 STREAMS {1} {2} 0 0
  XREAD BLOCK 10 COUNT 2 STREAMS {1} {2} $ $
  XREADGROUP GROUP g c STREAMS {1} >
  XREADGROUP GROUP STREAMS BLOCK COUNT 2 NOACK STREAMS {1} {2} > >
  XREADGROUP GROUP g c BLOCK 10 STREAMS {1} >
  XREVRANGE {1} + -
  XSETID {1} 5-5
  XTRIM {1} MAXLEN 10

  MULTI
  EXEC
  DISCARD
  UNWATCH
  WATCH {1}
  WATCH {1} {2}

  PSUBSCRIBE {1}*
  PSUBSCRIBE {1}* {2}?
  PUBLISH {1} message
  PUBSUB CHANNELS
  PUBSUB CHANNELS {1}*
  PUBSUB HELP
  PUBSUB NUMPAT
  PUBSUB NUMSUB {1} {2}
  PUBSUB SHARDCHANNELS {1}*
  PUBSUB SHARDNUMSUB {1} {2}
  PUNSUBSCRIBE {1}*
  SPUBLISH {1} message
  SSUBSCRIBE {1}
  SUBSCRIBE {1}
  SUBSCRIBE {1} {2}
  SUNSUBSCRIBE {1}
  UNSUBSCRIBE {1}

  EVAL "return 1" 0
  EVAL "return redis.call('GET', KEYS[1])" 1 {1}
  EVAL "return KEYS" 2 {1} {2} argument
  EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 {1}
  EVALSHA_RO e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 {1}
  EVAL_RO "return redis.call('GET', KEYS[1])" 1 {1}
  EVAL_RO "return 1" 2 {1} {2}
  FCALL f 1 {1}
  FCALL f 2 {1} {2} argument
  FCALL_RO f 1 {1}
  FUNCTION DELETE library
  FUNCTION DUMP
  FUNCTION FLUSH ASYNC
  FUNCTION HELP
  FUNCTION KILL
  FUNCTION LIST
  FUNCTION LOAD "#!lua name=library"
  FUNCTION RESTORE payload
  FUNCTION STATS
  SCRIPT DEBUG NO
  SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db
  SCRIPT FLUSH
  SCRIPT HELP
  SCRIPT KILL
  SCRIPT LOAD "return 1"

  AUTH secret
  CLIENT CACHING YES
  CLIENT GETNAME
  CLIENT GETREDIR
  CLIENT HELP
  CLIENT ID
  CLIENT INFO
  CLIENT KILL ID 1
  CLIENT LIST
  CLIENT NO-EVICT ON
  CLIENT NO-TOUCH ON
  CLIENT PAUSE 1
  CLIENT REPLY ON
  CLIENT SETINFO LIB-NAME tests
  CLIENT SETNAME tests
  CLIENT TRACKING ON
  CLIENT TRACKINGINFO
  CLIENT UNBLOCK 1
  CLIENT UNPAUSE
  ECHO text
  HELLO
  HELLO 3
  PING
  PING text
  QUIT
  RESET
  SELECT 0
  SELECT 1

  ACL CAT
  ACL DELUSER somebody
  ACL DRYRUN default GET {1}
  ACL GENPASS
  ACL GETUSER default
  ACL HELP
  ACL LIST
  ACL LOAD
  ACL LOG
  ACL SAVE
  ACL SETUSER somebody
  ACL USERS
  ACL WHOAMI
  BGREWRITEAOF
  BGSAVE
  COMMAND
  COMMAND COUNT
  COMMAND DOCS get
  COMMAND GETKEYS GET {1}
  COMMAND GETKEYSANDFLAGS GET {1}
  COMMAND HELP
  COMMAND INFO get
  COMMAND LIST
  CONFIG GET maxmemory
  CONFIG GET *
  CONFIG GET requirepass
  CONFIG HELP
  CONFIG RESETSTAT
  CONFIG REWRITE
  CONFIG SET maxmemory-samples 5
  DBSIZE
  DEBUG OBJECT {1}
  FAILOVER
  FLUSHALL
  FLUSHDB ASYNC
  INFO
  INFO keyspace
  LASTSAVE
  LATENCY DOCTOR
  LATENCY GRAPH command
  LATENCY HELP
  LATENCY HISTOGRAM
  LATENCY HISTORY command
  LATENCY LATEST
  LATENCY RESET
  LOLWUT
  MEMORY DOCTOR
  MEMORY HELP
  MEMORY MALLOC-STATS
  MEMORY PURGE
  MEMORY STATS
  MEMORY USAGE {1}
  MEMORY USAGE {1} SAMPLES 0
  MODULE HELP
  MODULE LIST
  MODULE LOAD x
  MODULE LOADEX x
  MODULE UNLOAD x
  MONITOR
  PSYNC ? -1
  REPLCONF ACK 0
  REPLICAOF NO ONE
  RESTORE-ASKING {1} 0 payload
  ROLE
  SAVE
  SHUTDOWN NOSAVE
  SLAVEOF NO ONE
  SLOWLOG GET
  SLOWLOG HELP
  SLOWLOG LEN
  SLOWLOG RESET
  SWAPDB 0 1
  SYNC
  TIME

  ASKING
  CLUSTER ADDSLOTS 1
  CLUSTER ADDSLOTSRANGE 1 2
  CLUSTER BUMPEPOCH
  CLUSTER COUNT-FAILURE-REPORTS node
  CLUSTER COUNTKEYSINSLOT 1
  CLUSTER DELSLOTS 1
  CLUSTER DELSLOTSRANGE 1 2
  CLUSTER FAILOVER
  CLUSTER FLUSHSLOTS
  CLUSTER FORGET node
  CLUSTER GETKEYSINSLOT 1 10
  CLUSTER HELP
  CLUSTER INFO
  CLUSTER KEYSLOT {1}
  CLUSTER LINKS
  CLUSTER MEET 127.0.0.1 1
  CLUSTER MYID
  CLUSTER MYSHARDID
  CLUSTER NODES
  CLUSTER REPLICAS node
  CLUSTER REPLICATE node
  CLUSTER RESET
  CLUSTER SAVECONFIG
  CLUSTER SET-CONFIG-EPOCH 1
  CLUSTER SETSLOT 1 STABLE
  CLUSTER SHARDS
  CLUSTER SLAVES node
  CLUSTER SLOTS
  READONLY
  READWRITE
`;

/** To tell subcommands from arguments. */
const COMMAND_NAMES = new Set(allCommands().map(({ name }) => name));

export const SAMPLES: readonly Sample[] = LINES.split('\n')
  .map((line) => line.trim())
  .filter((line) => line !== '')
  .map(parseSample);

function parseSample(line: string): Sample {
  const patterns = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const [name = '', subcommand = ''] = patterns.map((word) => word.toLowerCase());
  const both = `${name}|${subcommand}`;
  return {
    line,
    command: COMMAND_NAMES.has(both) ? both : name,
    places: new Set(line.match(/\{\d\}/g)).size,
    words: (...keys) => patterns.map((pattern) => Buffer.from(filled(pattern, keys), 'latin1')),
  };
}

/** Keys are byte strings: each UTF-16 unit is a byte. */
function filled(pattern: string, keys: readonly string[]): string {
  return pattern.replace(/\{(\d)\}/g, (_, place: string) => keys[Number(place) - 1] ?? keys.at(-1) ?? '');
}
