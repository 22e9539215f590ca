// The port's security with gRPC clients: TLS and client certificates from files that rotate, tokens, and the hooks
// that say who a stream is from and what it may claim. Certificates are made here and last an hour.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { CLUSTER } from '../../src/envoy/resource.js';
import { bearerTokens } from '../../src/xds/bearer-tokens.js';
import {
  createXdsServer,
  SnapshotCache,
  type XdsIdentity,
  type XdsServerOptions,
} from '../../src/xds/server.js';
import { parseSpiffeId, subjectAltNames } from '../../src/xds/spiffe.js';
import { type TlsFiles, tlsCredentials } from '../../src/xds/tls-credentials.js';
import { until } from '../envoy/live-mesh.js';
import { type KeyPair, TestCa } from './certificates.js';
import { type ClientOptions, TestClient } from './client.js';
import { snapshot } from './resources.js';

const { UNAUTHENTICATED, PERMISSION_DENIED } = grpc.status;
const scratch = mkdtempSync(join(tmpdir(), 'fairlead-tls-'));
t.teardown(() => rmSync(scratch, { recursive: true, force: true }));
const ca = new TestCa('ca of servers');
const clientCa = new TestCa('ca of clients');
const serverNames = ['localhost', '127.0.0.1'];
const workload = 'spiffe://cluster.local/ns/shop/sa/web';
let files = 0;

function file(content: string): string {
  const path = join(scratch, `f${files++}`);
  writeFileSync(path, content);
  return path;
}

/** As a careful program replaces a file. */
function replace(path: string, content: string): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

interface Served extends Partial<XdsServerOptions> {
  tls?: Partial<TlsFiles>;
}

async function serve(t: Test, { tls, ...options }: Served) {
  const cache = new SnapshotCache();
  cache.set('test', snapshot({ clusters: { a: 1 } }));
  const server = createXdsServer({ cache, ...options });
  const pair = ca.issue({ names: serverNames });
  const paths = { certFile: file(pair.cert), keyFile: file(pair.key) };
  const credentials = tls && tlsCredentials({ ...paths, reloadMs: 20, ...tls });
  const bound = await server.listen({
    host: '127.0.0.1',
    port: 0,
    ...(credentials && { credentials }),
  });
  const clients: TestClient[] = [];
  t.teardown(async () => {
    for (const client of clients) client.close();
    await server.close();
  });
  const client = (more: Partial<ClientOptions> = {}) => {
    const address = `localhost:${(bound as { port: number }).port}`;
    const made = new TestClient({ address, variant: 'delta', ...more });
    clients.push(made);
    made.send({ type_url: CLUSTER });
    return made;
  };
  return { server, cache, client, paths };
}

const channel = (trusted = ca, pair?: KeyPair) =>
  grpc.credentials.createSsl(
    Buffer.from(trusted.cert),
    pair ? Buffer.from(pair.key) : null,
    pair ? Buffer.from(pair.cert) : null,
  );

/** Either the clusters or the status that the client got instead. */
async function outcome(client: TestClient): Promise<string> {
  const response = await client.maybeNext(5_000);
  if (response !== undefined) return 'served';
  return grpc.status[client.status?.code ?? 0]!;
}

t.test('TLS: who trusts the CA is served; plaintext and another CA are not', async (t) => {
  const { client } = await serve(t, { tls: {} });
  t.equal(await outcome(client({ credentials: channel() })), 'served');
  t.equal(await outcome(client({ credentials: channel(clientCa) })), 'UNAVAILABLE');
  t.equal(await outcome(client()), 'UNAVAILABLE');
});

t.test('an expired server certificate is refused by the client', async (t) => {
  const pair = ca.issue({ names: serverNames, validForMs: -1_000 });
  const { client } = await serve(t, {
    tls: { certFile: file(pair.cert), keyFile: file(pair.key) },
  });
  t.equal(await outcome(client({ credentials: channel() })), 'UNAVAILABLE');
});

t.test('mTLS: without a good client certificate there is no connection', async (t) => {
  const seen: (XdsIdentity | undefined)[] = [];
  const { client } = await serve(t, {
    tls: { clientCaFile: file(clientCa.cert) },
    authenticate: ({ certificate, peer }) => {
      t.match(peer, /^127\.0\.0\.1:\d+$/);
      return { name: certificate?.spiffeIds[0] ?? 'nobody' };
    },
    callbacks: { onStreamOpen: (stream) => void seen.push(stream.identity) },
  });
  const good = clientCa.issue({ names: [workload, 'web.example.com'] });
  t.equal(await outcome(client({ credentials: channel(ca, good) })), 'served');
  t.strictSame(seen, [{ name: workload }]);
  t.equal(await outcome(client({ credentials: channel() })), 'UNAVAILABLE', 'none');
  const foreign = new TestCa('ca of somebody').issue({ names: [workload] });
  t.equal(await outcome(client({ credentials: channel(ca, foreign) })), 'UNAVAILABLE', 'foreign');
  const expired = clientCa.issue({ names: [workload], validForMs: -1_000 });
  t.equal(await outcome(client({ credentials: channel(ca, expired) })), 'UNAVAILABLE', 'expired');
  t.equal(seen.length, 1);
});

t.test('optional client certificates: only verified ones count', async (t) => {
  const { client } = await serve(t, {
    tls: { clientCaFile: file(clientCa.cert), clientCertificate: 'optional' },
    authenticate: ({ certificate }) => {
      if (certificate === undefined) throw new Error('who are you?');
      return { name: certificate.subject };
    },
  });
  const good = clientCa.issue({ commonName: 'web' });
  t.equal(await outcome(client({ credentials: channel(ca, good) })), 'served');
  const foreign = new TestCa('ca of somebody').issue({ commonName: 'web' });
  t.equal(await outcome(client({ credentials: channel(ca, foreign) })), 'UNAUTHENTICATED');
  const refused = client({ credentials: channel() });
  t.match(await refused.end(), { code: UNAUTHENTICATED, details: 'who are you?' });
});

t.test(
  'rotation: new connections get the new certificate, open streams are not touched',
  async (t) => {
    const problems: string[] = [];
    let reloads = 0;
    const clientCaFile = file(clientCa.cert);
    const { client, paths, cache } = await serve(t, {
      tls: {
        clientCaFile,
        onProblem: (message) => problems.push(message),
        onReload: () => reloads++,
      },
    });
    const mine = clientCa.issue();
    const open = client({ credentials: channel(ca, mine) });
    open.ack(await open.next());

    const newCa = new TestCa('the next ca');
    const pair = newCa.issue({ names: serverNames });
    replace(paths.certFile, pair.cert);
    await until(5_000, () => problems.length > 0);
    t.match(problems, [/the key does not belong to the certificate; the old content stays/]);
    t.equal(
      await outcome(client({ credentials: channel(ca, mine) })),
      'served',
      'the last good pair',
    );
    replace(paths.keyFile, pair.key);
    await until(5_000, () => reloads === 1);
    t.equal(await outcome(client({ credentials: channel(newCa, mine) })), 'served');
    t.equal(await outcome(client({ credentials: channel(ca, mine) })), 'UNAVAILABLE');

    replace(clientCaFile, newCa.cert.slice(0, 200));
    await until(5_000, () => problems.length > 1);
    t.match(problems[1], /client CA file does not hold whole certificates/);
    replace(clientCaFile, newCa.cert);
    await until(5_000, () => reloads === 2);
    t.equal(await outcome(client({ credentials: channel(newCa, newCa.issue()) })), 'served');
    t.equal(await outcome(client({ credentials: channel(newCa, mine) })), 'UNAVAILABLE');

    cache.set('test', snapshot({ clusters: { a: 2 } }));
    t.same((await open.next()).names, ['a'], 'the first stream is still served');
    t.equal(problems.length, 2, 'each problem is said once');
  },
);

t.test('files that are of no use at the start are an error', async (t) => {
  const pair = ca.issue();
  const other = ca.issue();
  const good = { certFile: file(pair.cert), keyFile: file(pair.key) };
  const cases: [TlsFiles, RegExp][] = [
    [{ ...good, certFile: join(scratch, 'none') }, /none.*ENOENT/],
    [{ ...good, certFile: file('not PEM') }, /whole certificates/],
    [{ ...good, keyFile: file(other.key) }, /does not belong/],
    [{ ...good, keyFile: file('') }, /./],
    [{ ...good, clientCaFile: file('') }, /client CA/],
  ];
  for (const [options, message] of cases) {
    t.throws(() => tlsCredentials(options), { code: 'XdsFileUnusable', message });
  }
});

t.test('bearer tokens: one of the file, exactly', async (t) => {
  const problems: string[] = [];
  let reloads = 0;
  const path = file('# tokens\nfirst-token\n\nsecond-token shop/web\n');
  const tokens = bearerTokens(path, {
    reloadMs: 20,
    onProblem: (message) => problems.push(message),
    onReload: () => reloads++,
  });
  t.teardown(() => tokens.close());
  const { client } = await serve(t, {
    authenticate: ({ metadata }) => ({ name: JSON.stringify(tokens.check(metadata)) }),
    authorize: (identity, node) => {
      t.equal(node.id, 'test');
      if (identity!.name.includes('shop')) throw new Error(`${node.id} is not of the shop`);
    },
  });
  const bearer = (token: string) => client({ headers: { authorization: token } });
  t.equal(await outcome(bearer('Bearer first-token')), 'served');
  for (const text of [
    'Bearer first-toke',
    'Bearer first-token2',
    'Basic first-token',
    '# tokens',
  ]) {
    t.match(await bearer(text).end(), { code: UNAUTHENTICATED }, text);
  }
  t.match(await client().end(), { code: UNAUTHENTICATED, details: /a bearer token is needed/ });
  t.match(await bearer('Bearer second-token').end(), {
    code: PERMISSION_DENIED,
    details: 'test is not of the shop',
  });
  replace(path, 'a b c\n');
  await until(5_000, () => problems.length > 0);
  t.match(problems, [/line 1 is not TOKEN/]);
  t.equal(await outcome(bearer('bearer first-token')), 'served', 'the old ones stay');
  replace(path, 'third-token\n');
  await until(5_000, () => reloads > 0);
  t.equal(await outcome(bearer('Bearer third-token')), 'served');
  t.match(await bearer('Bearer first-token').end(), { code: UNAUTHENTICATED });
  t.throws(() => bearerTokens(file('# nothing\n')), { message: /there is no token/ });
});

t.test(
  'hooks may take their time; nothing is read, and nobody told, before they said yes',
  async (t) => {
    const events: string[] = [];
    let letIn: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      letIn = resolve;
    });
    const { client, server } = await serve(t, {
      times: { firstRequestMs: 300 },
      authenticate: async ({ metadata }) => {
        events.push('authenticate');
        await asked;
        if (metadata.get('who').length === 0) throw new Error('nobody');
        return { name: 'somebody' };
      },
      authorize: async (identity) => void events.push(`authorize ${identity!.name}`),
      callbacks: {
        onStreamOpen: () => void events.push('open'),
        onRequest: () => void events.push('request'),
        onNode: () => void events.push('node'),
        onStreamClosed: () => void events.push('closed'),
      },
    });
    const known = client({ headers: { who: 'me' } });
    const unknown = client();
    await until(5_000, () => events.length === 2);
    t.equal(await known.maybeNext(50), undefined);
    letIn();
    t.match(await unknown.end(), { code: UNAUTHENTICATED, details: 'nobody' });
    t.equal(await outcome(known), 'served');
    const [stream] = [...server.streams()];
    t.match(stream?.status(), { identity: { name: 'somebody' }, node: { id: 'test' } });
    known.halfClose();
    t.match(await known.end(), { code: grpc.status.OK });
    t.strictSame(
      events.filter((event) => event !== 'request'),
      ['authenticate', 'authenticate', 'open', 'authorize somebody', 'node', 'closed'],
    );
  },
);

t.test('a hook that never answers does not keep a stream for ever', async (t) => {
  const { client, server } = await serve(t, {
    times: { firstRequestMs: 50 },
    authenticate: () => new Promise(() => {}),
  });
  t.match(await client().end(), { code: grpc.status.DEADLINE_EXCEEDED });
  t.equal([...server.streams()].length, 0);
});

t.test('names of certificates and SPIFFE IDs are read exactly', async (t) => {
  t.strictSame(subjectAltNames('DNS:a.b, IP Address:1.2.3.4, URI:spiffe://t/ns/a/sa/b'), [
    'DNS:a.b',
    'IP Address:1.2.3.4',
    'URI:spiffe://t/ns/a/sa/b',
  ]);
  t.strictSame(subjectAltNames('DNS:"x, URI:spiffe://t/ns/a/sa/b"'), [
    'DNS:x, URI:spiffe://t/ns/a/sa/b',
  ]);
  t.strictSame(subjectAltNames(''), []);
  t.strictSame(parseSpiffeId(workload), {
    trustDomain: 'cluster.local',
    namespace: 'shop',
    serviceAccount: 'web',
  });
  for (const text of [
    'spiffe://t/ns/a',
    'spiffe:///ns/a/sa/b',
    'x://t/ns/a/sa/b',
    `${workload}/c`,
  ]) {
    t.equal(parseSpiffeId(text), undefined, text);
  }
});
