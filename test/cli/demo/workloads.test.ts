// The demo is described in four places (configuration, launcher, compose file, README): they must
// agree, and the edits that the launcher suggests must be where it says.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { suggestedEdits } from '../../../src/cli/demo/edits.js';
import { makeCertificate } from '../../../src/cli/demo/gateway-certificate.js';
import { backendAddress, demoDir, ingress, workloads } from '../../../src/cli/demo/workloads.js';

const project = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string) => readFileSync(join(project, path), 'utf8');

// biome-ignore lint/suspicious/noExplicitAny: YAML of the demo's own files
type Any = any;

const documents = (text: string): Any[] => parseAllDocuments(text).map((doc) => doc.toJS());

t.test('configuration and launcher name the same workloads', async (t) => {
  const groups = documents(read('examples/demo/config/workloads.yaml'));
  t.same(
    groups.map(({ metadata, spec }) => ({ name: metadata.name, labels: spec.metadata.labels })),
    workloads.map(({ name, labels }) => ({ name, labels })),
  );
  const services = documents(read('examples/demo/config/services.yaml'));
  const backend = services.find(({ metadata }) => metadata.name === 'backend');
  t.equal(backend.spec.clusterIP, backendAddress);
  const [{ spec }] = documents(read('examples/demo/config/gateway.yaml'));
  t.same(spec.selector, ingress.labels);
  t.same(
    spec.servers.map(({ port }: Any) => port.number),
    [ingress.httpPort, ingress.httpsPort],
  );
  t.equal(spec.servers[1].tls.credentialName, parse(makeCertificate().secret).metadata.name);
});

t.test('the compose file names the same workloads', async (t) => {
  const { services } = parse(read('docker-compose.yml'), { merge: true });
  for (const { name, labels, app } of workloads) {
    const { environment, command, extra_hosts, ports, networks } = services[name];
    t.equal(environment.WORKLOAD, name);
    t.equal(environment.VERSION, labels['version']);
    t.same(command, ['node', `/app/${app}`]);
    t.same(extra_hosts, [`backend:${backendAddress}`]);
    t.equal(networks, undefined, 'an address of its own is in the way of a second instance');
    t.equal(ports, undefined, 'and so is a port of the host');
  }
  const { environment, ports, command } = services.gateway;
  t.same(environment, { WORKLOAD: ingress.name, LABELS: 'istio=ingressgateway' });
  t.equal(command, undefined, 'an Envoy alone');
  t.same(
    ports.map((port: string) => Number(port.split(':').at(-1))),
    [ingress.httpPort, ingress.httpsPort],
  );
});

t.test('each suggested edit is in its line, and the file stays good YAML with it', async (t) => {
  const file = join(demoDir, 'config', 'routing.yaml');
  const edits = suggestedEdits(file, 'http://127.0.0.1:8080/');
  const lines = readFileSync(file, 'utf8').split('\n');
  const lineOf = (where: string) => lines[Number(where.split(':').at(-1)) - 1];
  t.same(
    edits.map(({ where }) => lineOf(where)?.trim()),
    ['weight: 90', '# - match:', '# fault:'],
  );
  const uncommented = lines.map((line) =>
    /^\s*# (Header match|Fault):/.test(line) ? line : line.replace(/^(\s+)# /, '$1'),
  );
  const [virtualService] = documents(uncommented.join('\n'));
  const [first, second] = virtualService.spec.http;
  t.match(first, { match: [{ headers: { 'end-user': { exact: 'tester' } } }] });
  t.match(first.route, [{ destination: { host: 'backend', subset: 'v2' } }]);
  t.match(second, { fault: { abort: { httpStatus: 503, percentage: { value: 20 } } } });
});

t.test('after an edit the advice still finds its line', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'fairlead-edits-'));
  t.teardown(() => import('node:fs').then((fs) => fs.rmSync(dir, { recursive: true })));
  const file = join(dir, 'routing.yaml');
  const text = read('examples/demo/config/routing.yaml').replace('weight: 90', 'weight: 50');
  writeFileSync(file, `# one more line\n${text}`);
  const [weights] = suggestedEdits(file, 'http://x/');
  const line = Number(weights?.where.split(':').at(-1));
  t.equal(readFileSync(file, 'utf8').split('\n')[line - 1]?.trim(), 'weight: 50');
});
