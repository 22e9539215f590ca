// Which rules a server of a Gateway has is found once: an edit of endpoints or Secrets looks at no rule again, however
// many there are.
import t from 'tap';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import { rulesOfServers, servedRules } from '../../src/translate/gateway-hosts.js';
import { gatewayPlan } from '../../src/translate/gateway-plan.js';
import { CaseMesh } from './case-run.js';

const documents = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g, namespace: default}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.test", a.example]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: default}
spec: {hosts: [a.test, a.example, b.example], gateways: [g], http: [{directResponse: {status: 200}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: b, namespace: default}
spec: {hosts: [b.example], gateways: [g], http: [{directResponse: {status: 200}}]}
`;

t.test('rules of servers are kept', async (t) => {
  const { mesh } = await new CaseMesh().read([documents]);
  const id = 'router~10.0.0.1~gw.default~x';
  const view = viewOf(mesh, parseProxy({ id, cluster: 'gw', metadata: {} }));
  const rules = view.gateway!.virtualServices;
  const { servers } = gatewayPlan(view).routes[0]!;
  const served = servedRules(servers[0]!, rules);
  t.strictSame(
    served.map(({ rule, hosts }) => [rule.source.name, hosts]),
    [['a', ['a.test', 'a.example']]],
  );
  t.equal(servedRules(servers[0]!, rules), served);
  t.equal(rulesOfServers(servers, rules), rulesOfServers(servers, rules));
  const other = servedRules(servers[0]!, [...rules]);
  t.equal(other[0]!.hosts, served[0]!.hosts, 'hosts of a rule, when another rule changed');
});
