import { startGateway } from '../support/gateway';
it('gateway', async () => {
  const g = await startGateway({ env: { ENGINE: 'memory' } });
  expect((await g.command({ command: 'WRITE', key: 'k', value: 'v' })).json().status).toBe('SUCCESS');
  expect(await g.stop()).toBe(0);
}, 30000);
