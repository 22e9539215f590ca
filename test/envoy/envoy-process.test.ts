// The harness itself: a static Envoy starts, answers, reports bad configuration, and goes away.
import t from 'tap';
import { startEnvoy, validateBootstrap } from './envoy-process.js';

const listener = {
  name: 'static',
  address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
  filter_chains: [
    {
      filters: [
        {
          name: 'envoy.filters.network.http_connection_manager',
          typed_config: {
            '@type':
              'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
            stat_prefix: 'static',
            route_config: {
              virtual_hosts: [
                {
                  name: 'all',
                  domains: ['*'],
                  routes: [
                    {
                      match: { prefix: '/' },
                      direct_response: { status: 200, body: { inline_string: 'hello' } },
                    },
                  ],
                },
              ],
            },
            http_filters: [
              {
                name: 'envoy.filters.http.router',
                typed_config: {
                  '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
                },
              },
            ],
          },
        },
      ],
    },
  ],
};

t.test('a static Envoy serves and stops', async (t) => {
  const envoy = await startEnvoy({ bootstrap: { static_resources: { listeners: [listener] } } });
  t.teardown(() => envoy.stop());
  const port = await envoy.listenerPort('static');
  const response = await fetch(`http://127.0.0.1:${port}/`);
  t.equal(await response.text(), 'hello');
  t.equal(await envoy.stat('http.static.downstream_rq_2xx'), 1);
  await envoy.stop();
  t.throws(() => process.kill(envoy.pid, 0), 'the process is gone');
});

t.test('validate gives what Envoy says', async (t) => {
  t.equal(validateBootstrap({ static_resources: { listeners: [listener] } }), undefined);
  t.match(validateBootstrap({ static_resources: { listener: [] } }), /listener/);
});
