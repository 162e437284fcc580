/** The built program with its Redis-protocol door open, plain and in TLS, over one shard, for clients of all kinds. */
import path from 'node:path';
import { runClientCommand } from '../../src/auth/client-command';
import { makeFolder } from './child';
import { findFreePort } from './free-port';
import { startGateway } from './gateway';
import { startShard } from './redis';

export interface RespRig {
  readonly port: number;
  readonly tlsPort: number;
  /** To trust on `tlsPort`. */
  readonly certFile: string;
  /** Of the client with all rights. */
  readonly apiKey: string;
  /** A client of that name with all scopes for keys that begin with `worker:`. */
  readonly worker: { readonly name: string; readonly apiKey: string };
  stop(): Promise<void>;
}

/** One master and one replica; the near cache is on. */
export async function startRespRig(): Promise<RespRig> {
  const clientsFile = path.join(await makeFolder(), 'clients.json');
  const worker = await addClient(
    clientsFile,
    'worker',
    '--scope',
    'read,write,delete',
    '--prefix',
    'worker:',
  );
  const shard = await startShard({ name: 'main', replicas: 1 });
  const open = async (tls: boolean) => {
    const port = await findFreePort();
    const gateway = await startGateway({
      env: {
        REDIS_NODES: shard.setting,
        CLIENTS_FILE: clientsFile,
        RESP_PORT: String(port),
        RESP_TLS: String(tls),
      },
    });
    return { port, gateway };
  };
  const [plain, tls] = await Promise.all([open(false), open(true)]);
  return {
    port: plain.port,
    tlsPort: tls.port,
    certFile: tls.gateway.certFile,
    apiKey: plain.gateway.apiKey,
    worker: { name: 'worker', apiKey: worker },
    stop: async () => {
      await Promise.all([plain.gateway.stop(), tls.gateway.stop()]);
      await shard.stop();
    },
  };
}

/** The API key of a new client. */
async function addClient(clientsFile: string, ...args: readonly string[]): Promise<string> {
  const lines: string[] = [];
  const print = (line: string): unknown => lines.push(line);
  const code = await runClientCommand(['add', ...args], {
    clientsFile,
    wallMs: Date.now,
    print,
    printError: print,
  });
  const key = lines.at(-1);
  if (code !== 0 || key === undefined) throw new Error(lines.join('\n'));
  return key;
}
