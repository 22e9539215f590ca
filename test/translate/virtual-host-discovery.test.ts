// Route configurations cut for VHDS: what stays, what becomes a resource, and what an edit makes anew.
import t from 'tap';
import type { RouteConfiguration } from '../../src/envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import type { VirtualHost } from '../../src/envoy/gen/types/envoy/config/route/v3/VirtualHost.js';
import { splitRoutes } from '../../src/translate/virtual-host-discovery.js';

const host = (name: string, ...domains: string[]): VirtualHost => ({ name, domains });
const a = host('a.test:80', 'a.test', 'a');
const b = host('b.test:80', 'b.test');
const rest = host('allow_any', '*');

const route = (name: string, ...virtual_hosts: VirtualHost[]): RouteConfiguration => ({
  name,
  virtual_hosts,
  ignore_port_in_host_matching: true,
});
const routes = (...all: RouteConfiguration[]) => new Map(all.map((each) => [each.name!, each]));

t.test('the catch-all stays, the others are named by their route', async (t) => {
  const cut = splitRoutes(routes(route('80', a, b, rest), route('8080', a, rest)));
  t.strictSame([...cut.virtualHosts.keys()], ['80/a.test:80', '80/b.test:80', '8080/a.test:80']);
  t.strictSame(cut.virtualHosts.get('80/a.test:80'), { ...a, name: '80/a.test:80' });
  t.strictSame(cut.routes.get('80'), {
    name: '80',
    virtual_hosts: [rest],
    ignore_port_in_host_matching: true,
    vhds: { config_source: { ads: {}, resource_api_version: 'V3' } },
  });
});

t.test('without other hosts a configuration is left as it is: Envoy would wait', async (t) => {
  const sniffed = route('a.test:80', host('a.test:80', '*'));
  const cut = splitRoutes(routes(sniffed));
  t.equal(cut.routes.get('a.test:80'), sniffed);
  t.equal(cut.virtualHosts.size, 0);
});

t.test('an edit of one host makes one virtual host anew', async (t) => {
  const before = splitRoutes(routes(route('80', a, b, rest)));
  const edited = { ...a, routes: [] };
  const after = splitRoutes(routes(route('80', edited, b, rest)));
  t.not(after.virtualHosts.get('80/a.test:80'), before.virtualHosts.get('80/a.test:80'));
  t.equal(after.virtualHosts.get('80/b.test:80'), before.virtualHosts.get('80/b.test:80'));
  t.strictSame(after.routes.get('80'), before.routes.get('80'));
});
