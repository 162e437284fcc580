import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { withDeadline } from '../../src/lib/deadline';

const late = (): Error => new Error('late');

it('gives what arrives in time, success or failure', async () => {
  await expect(withDeadline(Promise.resolve(1), 1000, late)).resolves.toBe(1);
  await expect(withDeadline(Promise.reject(new Error('broken')), 1000, late)).rejects.toThrow('broken');
});

it('ends the wait for what does not arrive', async () => {
  await expect(withDeadline(new Promise(() => undefined), 5, late)).rejects.toThrow('late');
  await expect(withDeadline(new Promise(() => undefined), -1, late)).rejects.toThrow('late');
});

it('counts an answer that lay in the socket while this process stood still', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [peer] = (await once(server, 'connection')) as [Socket];
  try {
    const answer = withDeadline(once(client, 'data').then(String), 5, late);
    peer.write('answered');
    const untilMs = performance.now() + 30;
    while (performance.now() < untilMs);
    await expect(answer).resolves.toBe('answered');
  } finally {
    client.destroy();
    peer.destroy();
    server.close();
  }
});
