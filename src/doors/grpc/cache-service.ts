/** The methods of `ringcache.v1.Cache`: each message becomes a Command, each Reply a message. */
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Command, Reply } from '../../core/command';
import { CacheError, toCacheError } from '../../core/errors';
import { batchOutcome, observeBatch } from '../../core/observe-batch';
import type { DoorCall, DoorContext } from './door-call';
import { UNREADABLE } from './load-service';
import type {
  BatchReplyMessage,
  BatchRequest,
  DeleteRequest,
  FoundMessage,
  GetRequest,
  SetRequest,
  StatusMessage,
  WatchEvent,
  WatchRequest,
} from './messages';
import { RequestParser } from './parse-requests';
import { commandReplyMessage, deleteReplyMessage, getReplyMessage, setReplyMessage } from './reply-messages';
import type { OpenWatches } from './open-watches';

type Readable<Request> = Request | typeof UNREADABLE;
type GoodReply = Exclude<Reply, { readonly status: 'ERROR' }>;

export function createCacheService(
  door: DoorContext,
  callOf: (metadata: Metadata) => DoorCall,
  watches: OpenWatches,
): UntypedServiceImplementation {
  const { cache, observer } = door;
  const parser = new RequestParser(door.limits, door.encryptionConfigured);

  /** A method whose work gives its answer, or throws why there is none. */
  function unary<Request, Answer>(
    work: (call: DoorCall, request: Request) => Promise<Answer>,
  ): handleUnaryCall<Readable<Request>, Answer> {
    return ({ metadata, request }, respond) => {
      const call = callOf(metadata);
      const answering = async (): Promise<Answer> => {
        try {
          return await work(call, readable(request));
        } finally {
          call.endCommand();
        }
      };
      answering().then(
        (answer) => {
          if (!call.hasEnded) respond(null, answer, call.trailing);
        },
        (thrown: unknown) => {
          if (!call.hasEnded) respond(call.fail(toCacheError(thrown)));
        },
      );
    };
  }

  async function perform(call: DoorCall, command: Command): Promise<GoodReply> {
    const deadlineMs = call.beginCommand(command.command);
    const { principal, session } = call.caller;
    const reply = await cache.execute(principal(), session?.carry(command) ?? command, deadlineMs);
    session?.renew([reply]);
    if (reply.status === 'ERROR') throw reply.error;
    if (reply.command === 'READ' && reply.status === 'SUCCESS') call.source = reply.source;
    call.succeed(reply.status);
    return reply;
  }

  return {
    Get: unary<GetRequest, FoundMessage>(async (call, request) => {
      const reply = await perform(call, parser.parseGet(request));
      if (reply.command !== 'READ') throw mismatch();
      call.checkUnread();
      return getReplyMessage(reply);
    }),
    Set: unary<SetRequest, StatusMessage>(async (call, request) => {
      const reply = await perform(call, parser.parseSet(request));
      if (reply.command !== 'WRITE') throw mismatch();
      return setReplyMessage(reply);
    }),
    Delete: unary<DeleteRequest, StatusMessage>(async (call, request) => {
      const reply = await perform(call, parser.parseDelete(request));
      if (reply.command !== 'DELETE') throw mismatch();
      return deleteReplyMessage(reply);
    }),
    Batch: unary<BatchRequest, BatchReplyMessage>(async (call, request) => {
      const commands = parser.parseBatch(request);
      const deadlineMs = call.beginCommand('BATCH', commands.length);
      const { principal, session } = call.caller;
      const replies = await cache.executeBatch(
        principal(),
        commands.map((command) => session?.carry(command) ?? command),
        deadlineMs,
      );
      session?.renew(replies);
      observeBatch(observer, replies);
      for (const reply of replies) if (reply.status === 'ERROR') call.reportInternal(reply.error);
      call.checkUnread();
      call.succeed(batchOutcome(replies));
      return { replies: replies.map(commandReplyMessage) };
    }),
    Watch: ((stream) => {
      const call = callOf(stream.metadata);
      watches.serve(stream, call, () => parser.parseWatch(readable(stream.request)));
    }) satisfies handleServerStreamingCall<Readable<WatchRequest>, WatchEvent>,
  };
}

/** @throws CacheError `bad_request` */
function readable<Request>(request: Readable<Request>): Request {
  if (request !== UNREADABLE) return request;
  throw new CacheError(
    'bad_request',
    'The message is not one of this method, or has text that is not UTF-8.',
  );
}

function mismatch(): Error {
  return new Error('the core answers each command with a reply to it');
}
