// Every example is loaded as `fairlead analyze` and `translate` load it: nothing wrong, every rule in force, and each
// has a README that names its folder.
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { loadOffline, offlineConfiguration, offlineProblems } from '../src/cli/offline.js';
import { describedNode } from '../src/cli/proxy-identity.js';
import { TestCa } from './xds/certificates.js';

const folder = fileURLToPath(new URL('../examples', import.meta.url));
const examples = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'config')));

/** What a client's sidecar must have of each example: a piece of its generated configuration. */
const expected: Readonly<Record<string, readonly RegExp[]>> = {
  demo: [/"weight":90/, /outbound\|8080\|v2\|backend\.default\.svc\.cluster\.local/],
  'header-routing': [/"name":"end-user"/, /"name":"cookie"/, /"name":"tester"/],
  canary: [/"weight":10/, /"key":"x-canary"/],
  'fault-injection': [/"fixedDelay":"2s"/, /"httpStatus":503/],
  'retries-and-timeouts': [/"timeout":"3s"/, /"perTryTimeout":"1s"/, /"numRetries":3/],
  'circuit-breaking': [/"maxConnections":10\b/, /"consecutive5xx":3/, /"baseEjectionTime":"30s"/],
  tcp: [/240\.240\.0\.20_6000/, /"weightedClusters"/],
  'external-service': [/STRICT_DNS/, /192\.0\.2\.10_8443/, /block_all/, /BlackHoleCluster/],
  'ingress-gateway': [/outbound\|8080\|\|frontend\.default\.svc\.cluster\.local/],
  'gateway-api': [/outbound\|8080\|\|frontend\.default/, /"retriableStatusCodes":\[503\]/],
  'egress-gateway': [/outbound\|80\|\|istio-egressgateway\.default/, /block_all/],
};

/** The same of a gateway, where there is one. */
const expectedOfGateway: Readonly<Record<string, readonly RegExp[]>> = {
  'ingress-gateway': [/"requireTls":"ALL"/, /0\.0\.0\.0_8080/],
  'egress-gateway': [/outbound\|443\|\|weather\.example\.com/, /UpstreamTlsContext/],
};

/** Examples with a certificate that is made on the spot. */
const certified = ['demo', 'ingress-gateway'];

t.test('the list of expectations is the list of examples', async (t) => {
  t.strictSame(examples.sort(), Object.keys(expected).sort());
  const index = readFileSync(join(folder, 'README.md'), 'utf8');
  for (const name of examples) t.match(index, `](${name}/)`);
});

/** Secrets that the demo, or the reader of a README, makes: no keys are committed. */
const certificates: Readonly<Record<string, string>> = {
  demo: 'gateway-certificate',
  'ingress-gateway': 'shop-cert',
};

/** The configuration of an example, with the Secret that it lacks. */
function withCertificate(t: Test, name: string): string {
  const config = join(folder, name, 'config');
  const secret = certificates[name];
  if (secret === undefined) return config;
  const copy = t.testdir();
  cpSync(config, copy, { recursive: true });
  const { cert, key } = new TestCa().issue();
  const document = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secret },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': cert, 'tls.key': key },
  };
  writeFileSync(join(copy, 'gateway-certificate.yaml'), JSON.stringify(document));
  return copy;
}

for (const name of examples) {
  t.test(name, async (t) => {
    t.ok(existsSync(join(folder, name, 'README.md')), 'has a README');
    const offline = await loadOffline(withCertificate(t, name));
    t.ok(offline.generation.resources.size > 0);
    t.strictSame(
      offlineProblems(offline).filter((problem) => {
        const { severity, code, resource } = problem;
        // Keys are not in the repository: these examples make them where they run.
        const made = code === 'invalid-credential' && resource?.kind === 'Gateway';
        return severity !== 'info' && !(made && certified.includes(name));
      }),
      [],
      'nothing wrong',
    );
    const client = describedNode({ node: 'client', ip: ['10.143.15.99'] });
    const text = JSON.stringify(offlineConfiguration(offline, client));
    for (const piece of expected[name]!) t.match(text, piece);
    const label = [`istio=${name.replace('-', '')}`];
    const gateway = describedNode({ node: 'gateway', proxyType: 'router', label });
    const ofGateway = JSON.stringify(offlineConfiguration(offline, gateway));
    for (const piece of expectedOfGateway[name] ?? []) t.match(ofGateway, piece);
  });
}
