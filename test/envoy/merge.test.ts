// Protobuf's merge: the cases that its specification names, and Istio's exceptions.
import t from 'tap';
import { mergeAnys, mergeMessages } from '../../src/envoy/merge.js';
import { CLUSTER, ROUTE } from '../../src/envoy/resource.js';

t.test('scalars win, messages are merged, lists are appended', async (t) => {
  const base = {
    name: 'a',
    connect_timeout: { seconds: 10, nanos: 5 },
    common_lb_config: { healthy_panic_threshold: { value: 50 }, update_merge_window: {} },
    circuit_breakers: { thresholds: [{ max_requests: { value: 1 } }] },
  };
  const before = structuredClone(base);
  const patch = {
    connect_timeout: { seconds: 3 },
    common_lb_config: { healthy_panic_threshold: { value: 1 } },
    circuit_breakers: { thresholds: [{ max_requests: { value: 2 } }] },
  };
  const merged = mergeMessages(CLUSTER, base, patch);
  t.strictSame(merged, {
    name: 'a',
    // A duration is replaced whole.
    connect_timeout: { seconds: 3 },
    common_lb_config: { healthy_panic_threshold: { value: 1 }, update_merge_window: {} },
    circuit_breakers: {
      thresholds: [{ max_requests: { value: 1 } }, { max_requests: { value: 2 } }],
    },
  });
  t.strictSame(base, before, 'the base is left as it was');
  const replaced = mergeMessages(CLUSTER, base, patch, 'replace');
  t.strictSame(replaced.circuit_breakers, patch.circuit_breakers, 'lists replaced, on request');
});

t.test('a member of a oneof drives out the others; entries of maps are replaced', async (t) => {
  const base = {
    name: 'a',
    type: 'EDS',
    metadata: { filter_metadata: { x: { fields: { a: {} } }, y: { fields: {} } } },
  };
  const merged = mergeMessages(CLUSTER, base, {
    cluster_type: { name: 'aggregate' },
    metadata: { filter_metadata: { x: { fields: { b: {} } } } },
  });
  t.strictSame(merged, {
    name: 'a',
    cluster_type: { name: 'aggregate' },
    metadata: { filter_metadata: { x: { fields: { b: {} } }, y: { fields: {} } } },
  });
  const routes = { virtual_hosts: [{ name: 'x' }] };
  t.equal(mergeMessages(ROUTE, routes, { name: 'y' }).virtual_hosts, routes.virtual_hosts);
});

t.test('an Any is merged only with one of its type', async (t) => {
  const router = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
    start_child_span: true,
  };
  t.strictSame(
    mergeAnys(router, { ...router, start_child_span: true, suppress_envoy_headers: true }),
    {
      ...router,
      suppress_envoy_headers: true,
    },
  );
  const lua = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua' };
  t.equal(mergeAnys(router, lua), undefined);
  t.equal(mergeAnys({ '@type': 'x/unknown.Type' }, { '@type': 'x/unknown.Type' }), undefined);
});
