// protos/newer.jsonl is what the Envoy of the tests has beyond the npm set, and users may write it.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { readJson } from '../../src/envoy/read-json.js';
import { CLUSTER, ROUTE } from '../../src/envoy/resource.js';
import { findEnvoy } from './envoy-process.js';

t.test('the file is that of the binary', async (t) => {
  const version = execFileSync(findEnvoy(), ['--version'], { encoding: 'utf8' });
  if (!version.includes('/1.40.0/')) {
    t.pass('it is of Envoy 1.40.0', { skip: true });
    return;
  }
  const script = fileURLToPath(new URL('../../scripts/newer-protos.mjs', import.meta.url));
  t.doesNotThrow(() => execFileSync(process.execPath, [script, findEnvoy(), '--check']));
});

t.test('newer fields, types and values of enums', async (t) => {
  const route = {
    virtual_hosts: [
      {
        name: 'a',
        domains: ['*'],
        rate_limits: [
          {
            hits_addend: { number: 2 },
            actions: [{ query_parameters: { query_parameter_name: 'q', descriptor_key: 'k' } }],
          },
        ],
        typed_per_filter_config: {
          x: {
            '@type':
              'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
            stat_prefix: 'x',
            rate_limits: [{ actions: [{ remote_address: {} }] }],
          },
          y: {
            '@type':
              'type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute',
            allowed_clients: ['one'],
          },
        },
      },
    ],
  };
  t.strictSame(readJson(ROUTE, route).mistakes, []);
  t.strictSame(readJson(CLUSTER, { name: 'a', stats_matcher: { reject_all: true } }).mistakes, []);
  const slip = { name: 'a', stats_macher: {} };
  t.match(readJson(CLUSTER, slip).mistakes, [{ kind: 'unknown-field', path: ['stats_macher'] }]);
});
