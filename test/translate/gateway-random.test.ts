// Gateways, their TLS, Secrets and rules as nobody should write them: what the checks of kinds let through is translated
// without a throw, and a real Envoy takes all of it, secrets included. The world of names is small, so that they meet.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { toJson } from '../../src/envoy/codec.js';
import { type ResourcesByType, SECRET } from '../../src/envoy/resource.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import { gatewayPlan } from '../../src/translate/gateway-plan.js';
import { translate } from '../../src/translate/translate.js';
import { validateBootstrap } from '../envoy/envoy-process.js';
import { TestCa } from '../xds/certificates.js';
import { staticBootstrap } from './case-bootstrap.js';
import { CaseMesh } from './case-run.js';

const pick = <T>(...values: readonly T[]) => fc.constantFrom(...values);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

/** Mostly what is right. */
const mostly = <T>(right: fc.Arbitrary<T>, odd: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 15, arbitrary: right }, { weight: 1, arbitrary: odd });

const long = `${`${'a'.repeat(60)}.`.repeat(4)}test`;
const host = mostly(
  pick('*', '*.test', 'A.test', 'a.test', '*.a.test', 'b.a.test', 'a.test.', long),
  pick('*.', '*-x.a.test', `${long}.${long}`),
);
const hosts = fc.array(
  fc.tuple(pick('', '', '', './', '*/', 'other/'), host).map((parts) => parts.join('')),
  { minLength: 1, maxLength: 3 },
);
const bind = mostly(
  pick<string | undefined>(
    ...[undefined, undefined, '10.0.0.1', '0.0.0.0', '::', '0::0', '::1', '0:0::1'],
    ...['unix:///run/a', 'unix://@a'],
  ),
  pick(`unix:///${'a'.repeat(150)}`, 'unix://a', 'a.test'),
);

const certificates = mostly<object>(
  pick(
    { credentialName: 's0' },
    { credentialName: 's1' },
    { credentialNames: ['s0', 's1'] },
    { credentialNames: ['s1', 's1'] },
  ),
  pick({ credentialName: 'none' }, {}),
);
const parameters = fc.record(
  {
    caCertCredentialName: pick('s0', 's1', 's2'),
    httpsRedirect: fc.boolean(),
    subjectAltNames: pick(['', '*', 'spiffe://a/*', 'a*b']),
    verifyCertificateHash: pick(['ab'.repeat(32)]),
    minProtocolVersion: pick('TLS_AUTO', 'TLSV1_1'),
    maxProtocolVersion: pick('TLS_AUTO', 'TLSV1_1', 'TLSV1_2'),
    cipherSuites: pick(['X'], ['ECDHE-RSA-AES128-GCM-SHA256', 'X']),
    ecdhCurves: pick(['P-256', 'P-256', 'Y']),
  },
  { requiredKeys: [] },
);
const terminated = fc
  .tuple(pick('SIMPLE', 'MUTUAL', 'OPTIONAL_MUTUAL'), certificates, parameters)
  .map(([mode, from, more]) => ({ mode, ...from, ...more }));
const passedOn = pick({ mode: 'PASSTHROUGH' }, { mode: 'AUTO_PASSTHROUGH' });
const anyServer = { number: pick(80, 81, 82, 443, 15021), portName: pick('p', 'a.b', ' '), hosts };
const server = mostly<Server>(
  fc.oneof(
    fc.record({ ...anyServer, protocol: pick('HTTP', 'GRPC-WEB', 'http2', 'TCP'), bind }),
    fc.record({ ...anyServer, protocol: pick('HTTPS', 'HTTPS', 'TLS'), bind, tls: terminated }),
    fc.record({ ...anyServer, protocol: pick('TLS'), bind, tls: passedOn }),
  ),
  fc.record({ ...anyServer, protocol: pick('HTTP', 'HTTPS', 'TCP'), bind, tls: terminated }),
);
interface Server {
  number: number;
  portName: string;
  protocol: string;
  bind?: string | undefined;
  hosts: string[];
  tls?: object;
}
const gateway = fc.record({
  servers: fc.array(server, { minLength: 1, maxLength: 4 }),
  http3: fc.boolean(),
});
const names = ['g0', 'g.b', 'b.g'];

const destination = pick('a.test', 'none.test', 'of.a.test').map((to) => [
  { destination: { host: to } },
]);
const virtualService = fc.record(
  {
    hosts: pick(['*'], ['*'], ['*.test'], ['a.test', 'b.a.test'], ['A.test', '*.a.test']),
    gateways: fc.subarray(names, { minLength: 1 }),
    http: fc.array(
      fc.record(
        {
          name: pick('same'),
          match: pick([{ uri: { prefix: '/' } }], [{ port: 443 }], [{ gateways: ['g0'] }]),
          route: destination,
        },
        { requiredKeys: ['route'] },
      ),
      { maxLength: 2 },
    ),
    tls: fc.array(
      fc.record({
        match: fc.array(
          fc.record({
            sniHosts: fc.uniqueArray(pick('a.test', 'A.test', '*.test', 'b.a.test'), {
              minLength: 1,
              maxLength: 2,
            }),
          }),
          { minLength: 1, maxLength: 2 },
        ),
        route: destination,
      }),
      { maxLength: 3 },
    ),
    tcp: fc.array(fc.record({ route: destination }), { maxLength: 2 }),
  },
  { requiredKeys: ['hosts', 'gateways', 'http'] },
);

const ca = new TestCa();
const pairs = [
  ca.issue({ names: ['a.test'] }),
  ca.issue({ names: ['a.test'], keyType: 'rsa' }),
  ca.issue({ names: ['a.test'], validForMs: -1 }),
  of(generateKeyPairSync('ed25519')),
  of(generateKeyPairSync('rsa-pss', { modulusLength: 2048 })),
  of(generateKeyPairSync('rsa', { modulusLength: 1024 })),
  of(generateKeyPairSync('ec', { namedCurve: 'secp224r1' })),
];
function of({ publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject }) {
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { cert: ca.certify(publicKey), key };
}
/** What people do to PEM. */
const spoiled = (text: string) =>
  pick(
    text,
    text,
    text,
    text.trim(),
    text + text,
    text + ca.cert,
    text + text.slice(0, 200),
    `\ufeff${text}`,
    `note\n${text}note`,
    text.replaceAll('\n', '\r\n'),
    text.replace(/[A-Za-z0-9]{20}/, ''),
    '',
  );
const encrypted = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
  .toString();
const secret = pick(...pairs).chain(({ cert, key }) =>
  fc.record(
    {
      'tls.crt': spoiled(cert),
      'tls.key': fc.oneof(
        { weight: 9, arbitrary: spoiled(key) },
        { weight: 1, arbitrary: pick(encrypted) },
      ),
      'ca.crt': spoiled(ca.cert),
      'ca.crl': spoiled(ca.revoke(pairs[0]!)),
    },
    { requiredKeys: ['tls.crt', 'tls.key'] },
  ),
);

const world = fc.record({
  gateways: fc.tuple(gateway, maybe(gateway), maybe(gateway)),
  rules: fc.array(virtualService, { maxLength: 3 }),
  secrets: fc.array(secret, { minLength: 2, maxLength: 4 }),
  targets: fc.tuple(pick(80, 8080), pick(8080, 15090)),
  ips: pick('10.0.0.1', 'fd00::1', '10.0.0.1,fd00::1'),
});
type World = typeof world extends fc.Arbitrary<infer W> ? W : never;

const document = (kind: string, name: string, body: object, age = 0) =>
  `${JSON.stringify({
    ...{ apiVersion: 'networking.istio.io/v1', kind },
    metadata: {
      ...{ name, namespace: 'default' },
      creationTimestamp: new Date(1_700_000_000_000 + age * 60_000).toISOString(),
      ...('http3' in body && { annotations: { 'fairlead.io/http3': String(body.http3) } }),
    },
    ...('http3' in body ? {} : body),
    ...('spec' in body && { spec: body.spec }),
  })}\n`;
const core = (text: string) => text.replace('networking.istio.io/v1', 'v1');

function documentsOf({ gateways, rules, secrets, targets: [a, b] }: World): string[] {
  const ports = [
    { name: 'a', port: 80, targetPort: a },
    { name: 'b', port: 81, targetPort: b },
  ];
  return [
    ...gateways.flatMap((each, i) => {
      if (each === undefined) return [];
      const servers = each.servers.map(({ number, protocol, portName, ...more }, s) => ({
        ...{ port: { number, protocol, name: `${portName}${s || ''}` } },
        ...more,
      }));
      return document('Gateway', names[i]!, { http3: each.http3, spec: { servers } }, i);
    }),
    ...rules.map((spec, i) => document('VirtualService', `v${i}`, { spec }, i)),
    ...secrets.map((stringData, i) => core(document('Secret', `s${i}`, { stringData }))),
    core(document('Service', 'gw', { spec: { selector: { istio: 'gw' }, ports } })),
    ...['a.test', '*.a.test', 'of.a.test'].map((name, i) => {
      const port = { number: 443, name: 'tls', protocol: 'TLS' };
      return document('ServiceEntry', `e${i}`, {
        spec: { hosts: [name], ports: [port], resolution: 'NONE' },
      });
    }),
  ];
}

/** Everything in one bootstrap, with the secrets in place of the names that SDS is asked for. */
function withSecrets(resources: ResourcesByType): object {
  const strip = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(strip);
    if (typeof value !== 'object' || value === null) return value;
    const kept = Object.entries(value).filter(([key]) => key !== 'sdsConfig');
    return Object.fromEntries(kept.map(([key, inner]) => [key, strip(inner)]));
  };
  const bootstrap = strip(staticBootstrap(resources)) as { static_resources: object };
  const secrets = [...(resources.get(SECRET) ?? [])].map(([, each]) => toJson(SECRET, each));
  return { ...bootstrap, static_resources: { ...bootstrap.static_resources, secrets } };
}

t.setTimeout(180_000);
t.test('what is taken, Envoy takes', { timeout: 150_000 }, async (t) => {
  let served = 0;
  const property = fc.asyncProperty(world, async (given) => {
    const { mesh } = await new CaseMesh().read(documentsOf(given));
    const proxy = parseProxy({
      id: 'router~10.0.0.1~gw.default~default.svc.cluster.local',
      cluster: 'gw',
      metadata: { NAMESPACE: 'default', LABELS: { istio: 'gw' }, INSTANCE_IPS: given.ips },
    });
    const view = viewOf(mesh, proxy);
    const { resources } = translate(view);
    served += gatewayPlan(view).listeners.length;
    const refused = validateBootstrap(withSecrets(resources));
    if (refused !== undefined) throw new Error(refused.slice(-800));
  });
  // fast-check prints the seed of what fails.
  await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: 60_000 });
  t.ok(served > 30, `${served} listeners were looked at`);
});
