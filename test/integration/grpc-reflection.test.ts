/** Reflection: clients without our `.proto` learn from the door itself what it has. */
import { Client, credentials, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import path from 'node:path';
import { type GrpcService, openGrpcDoorService } from '../support/door-client-grpc';

const START_MS = 30_000;
const PROTO_FILE = path.join(
  path.dirname(require.resolve('@grpc/reflection/package.json')),
  'build/proto/grpc/reflection/v1/reflection.proto',
);
const { ServerReflectionInfo } = loadSync(PROTO_FILE, { oneofs: true })[
  'grpc.reflection.v1.ServerReflection'
] as unknown as ServiceDefinition;

let service: GrpcService;
let client: Client;
beforeAll(async () => {
  service = await openGrpcDoorService();
  client = new Client(`localhost:${service.grpc.port}`, credentials.createSsl(service.grpc.ca));
}, START_MS);
afterAll(async () => {
  client.close();
  await service.close();
});

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the test looks into the answer field by field
function ask(request: object): Promise<any> {
  const { path: target, requestSerialize, responseDeserialize } = ServerReflectionInfo!;
  const stream = client.makeBidiStreamRequest(target, requestSerialize, responseDeserialize);
  return new Promise((resolve, reject) => {
    stream.on('data', resolve).on('error', reject);
    stream.write(request);
    stream.end();
  });
}

it('lists the service, without a token', async () => {
  const { listServicesResponse } = await ask({ listServices: '' });
  expect(listServicesResponse.service).toContainEqual({ name: 'ringcache.v1.Cache' });
});

it('describes its methods', async () => {
  const { fileDescriptorResponse } = await ask({ fileContainingSymbol: 'ringcache.v1.Cache' });
  const [file] = fileDescriptorResponse.fileDescriptorProto as Buffer[];
  for (const method of ['Get', 'Set', 'Delete', 'Batch', 'Watch']) expect(file!.includes(method)).toBe(true);
});
