// A gateway whose memory is full, with a real Envoy: it takes nothing more from clients, and can still be looked at.
import t, { type Test } from 'tap';
import { buildBootstrap } from '../../src/cli/bootstrap.js';
import { freePort } from '../free-port.js';
import { startEnvoy } from './envoy-process.js';
import { until } from './live-mesh.js';
import { get } from './load.js';

t.setTimeout(60_000);

/** A router's own bootstrap, with a listener for clients in place of a control plane. */
async function gateway(t: Test, heapBytesMax?: number) {
  const healthPort = await freePort();
  const options = { name: 'gateway-1', xds: 'unix:/nowhere', healthPort, metricsPort: 0 } as const;
  const bootstrap = buildBootstrap({ type: 'router', ...options, heapBytesMax });
  const { admin: _admin, dynamic_resources: _dynamic, ...rest } = bootstrap;
  const resources = rest['static_resources'] as { listeners: Record<string, unknown>[] };
  const [health] = resources.listeners;
  const { ignore_global_conn_limit: _limit, bypass_overload_manager: _bypass, ...plain } = health!;
  resources.listeners.push({
    ...plain,
    name: 'clients',
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
  });
  const envoy = await startEnvoy({ bootstrap: rest });
  t.teardown(() => envoy.stop());
  const url = (port: number) => `http://127.0.0.1:${port}/healthz/ready`;
  return { envoy, health: url(healthPort), clients: url(await envoy.listenerPort('clients')) };
}

t.test('with room it serves', async (t) => {
  const { clients, health } = await gateway(t);
  t.match(await get(clients), { status: 200 });
  t.match(await get(health), { status: 200 });
});

t.test('full, it sheds load and answers at its readiness port', async (t) => {
  const { envoy, clients, health } = await gateway(t, 2 ** 20);
  const stopped = 'overload.envoy.overload_actions.stop_accepting_requests.active';
  await until(5_000, async () => (await envoy.stat(stopped)) === 1);
  await t.rejects(get(clients), 'a new connection is closed');
  t.match(await get(health), { status: 200 });
});
