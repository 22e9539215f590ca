// Certificates of gateways while there is traffic: a Secret that is replaced costs no request and no connection and
// leaves the listener alone, as Envoy's own counters say; a Secret that cannot be used is refused with its place, and
// the others are served.

import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import type { ProblemStatus } from '../../src/status/state.js';
import { TestCa } from '../xds/certificates.js';
import { GatewayMesh, secret, to } from './gateway-mesh.js';
import { until } from './live-mesh.js';
import { http2Load, keepAliveLoad, repeat } from './secure-load.js';

const scene = await GatewayMesh.start(['v1']);
const { fleet, mesh, router } = scene;
const port = await fleet.freePort();
const ca = new TestCa('servers');
const pair = (host: string, commonName = host) => ca.issue({ names: [host], commonName });
const https = (host: string, credentialName: string) => ({
  ...{ port, protocol: 'HTTPS', hosts: [host] },
  tls: { mode: 'SIMPLE', credentialName },
});
const everything = scene.rule('all', { hosts: ['*'], gateways: ['edge'], http: [to('v1')] });

const shown = async (host: string) => (await scene.handshake(port, host)).shown;

/** What must not move when a certificate does. */
async function listenerCounters() {
  const names = ['listener_modified', 'listener_in_place_updated', 'total_listeners_draining'];
  const more = ['total_filter_chains_draining', 'lds.update_success'];
  const all = [...names, ...more].map((name) => `listener_manager.${name}`);
  const values = await Promise.all(all.map((name) => router.stat(name)));
  return Object.fromEntries(all.map((name, i) => [name, values[i]]));
}

t.test('a Secret that is replaced 20 times under load', { timeout: 120_000 }, async (t) => {
  const write = (commonName: string) =>
    scene.write('secret', [secret('rotated', pair('a.test', commonName))]);
  await write('0');
  await scene.write('edge', [scene.gateway('edge', [https('a.test', 'rotated')]), everything]);
  t.equal(await shown('a.test'), '0');
  const before = await listenerCounters();
  const kept = keepAliveLoad({ host: scene.at, port }, 'a.test');
  const http2 = http2Load({ host: scene.at, port }, 'a.test');
  const seen = new Set<string>();
  const fresh = repeat(1, async () => {
    const answer = await scene.askSecure(port, 'a.test');
    if (answer.shown !== '') seen.add(answer.shown);
    return answer.status === 200 ? '' : `${answer.status} ${answer.error}`;
  });
  for (let i = 1; i <= 20; i++) {
    await write(String(i));
    t.equal(await shown('a.test'), String(i), `certificate ${i}`);
    const goals = [kept.requests + 30, http2.requests + 15, fresh.requests + 3] as const;
    await until(
      20_000,
      () => kept.requests >= goals[0] && http2.requests >= goals[1] && fresh.requests >= goals[2],
    );
  }
  await Promise.all([kept.stop(), http2.stop(), fresh.stop()]);
  t.strictSame([kept.failures, http2.failures, fresh.failures], [[], [], []], 'no failure');
  t.equal(kept.connections, 2, 'connections that are kept stay');
  t.ok(seen.size >= 20, `clients saw ${seen.size} certificates`);
  t.comment(`requests: ${kept.requests} + ${http2.requests} + ${fresh.requests} new connections`);
  t.strictSame(await listenerCounters(), before, 'no listener was touched');
  t.equal(await router.stat('listener_manager.total_listeners_draining'), 0);
});

t.test('CAs of client certificates that are replaced', { timeout: 60_000 }, async (t) => {
  const [old, next] = [new TestCa('old'), new TestCa('next')];
  const [jane, john] = [old.issue({ commonName: 'jane' }), next.issue({ commonName: 'john' })];
  const own = pair('m.test');
  const server = {
    ...https('m.test', 'mutual'),
    tls: { mode: 'MUTUAL', credentialName: 'mutual' },
  };
  const write = (trusted: string) => [
    ...[scene.gateway('edge', [server]), everything],
    secret('mutual', { ...own, ca: trusted }),
  ];
  const status = async (who: object) => (await scene.askSecure(port, 'm.test', who)).status;
  await scene.write('edge', write(old.cert));
  t.strictSame([await status(jane), await status(john)], [200, 0]);
  const before = await listenerCounters();
  await scene.write('edge', write(old.cert + next.cert));
  t.strictSame([await status(jane), await status(john)], [200, 200], 'both, for a while');
  await scene.write('edge', write(next.cert));
  t.strictSame([await status(jane), await status(john)], [0, 200]);
  t.strictSame(await listenerCounters(), before, 'no listener was touched');
});

const errors = (problems: readonly ProblemStatus[]) =>
  problems
    .filter(({ severity }) => severity === 'error')
    .map(({ code, resource, path, position }) => ({
      what: `${code} ${resource?.kind}/${resource?.name} ${path}`,
      hasPlace: (position?.line ?? 0) > 0 && (position?.col ?? 0) > 0,
    }));

const small = generateKeyPairSync('rsa', { modulusLength: 1024 });

t.test('a Secret that cannot be used', { timeout: 120_000 }, async (t) => {
  const good = pair('a.test', 'good');
  const base = [
    scene.gateway('edge', [https('a.test', 'a'), https('b.test', 'b')]),
    everything,
    secret('b', pair('b.test')),
  ];
  await scene.write('edge', base.concat(secret('a', good)));
  mesh.remove('secret.yaml');
  const cases: [string, object, string][] = [
    [
      'malformed',
      secret('a', {
        ...good,
        cert: '-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n',
      }),
      'invalid-value Secret/a stringData["tls.crt"]',
    ],
    [
      'another key',
      secret('a', { ...pair('a.test'), key: good.key }),
      'invalid-value Secret/a stringData["tls.key"]',
    ],
    [
      'a key that Envoy does not take',
      secret('a', {
        cert: ca.certify(small.publicKey, { names: ['a.test'], commonName: 'small' }),
        key: small.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      }),
      'invalid-value Secret/a stringData["tls.crt"]',
    ],
  ];
  for (const [name, bad, expected] of cases) {
    await t.test(name, async (t) => {
      const problems = await scene.writeRefused('edge', [...base, bad]);
      t.strictSame(
        errors(problems).map(({ what }) => what),
        [expected],
      );
      t.ok(
        errors(problems).every(({ hasPlace }) => hasPlace),
        'with its place',
      );
      t.notMatch(JSON.stringify(problems), /BEGIN/, 'which quotes nothing');
      t.equal(await shown('a.test'), 'good', 'the last good one is in use');
      t.equal(await shown('b.test'), 'b.test', 'another server');
      const mended = pair('a.test', name);
      await scene.write('edge', [...base, secret('a', mended)]);
      t.equal(await shown('a.test'), name, 'mended');
      await scene.write('edge', [...base, secret('a', good)]);
    });
  }

  await t.test('a new one', async (t) => {
    const bad = secret('c', { ...pair('c.test'), key: good.key });
    const servers = [https('a.test', 'a'), https('b.test', 'b'), https('c.test', 'c')];
    const all = [scene.gateway('edge', servers), everything, secret('a', good)];
    const rest = [...all, secret('b', pair('b.test', 'new b'))];
    const problems = await scene.writeAnyhow('edge', [...rest, bad]);
    t.strictSame(
      errors(problems).map(({ what }) => what.split(' ').slice(0, 2).join(' ')),
      ['invalid-credential Gateway/edge', 'invalid-value Secret/c'],
    );
    t.equal(await shown('c.test'), '', 'the server is not served');
    t.equal(await shown('a.test'), 'good', 'the others are');
    t.equal(await shown('b.test'), 'new b', 'with what changed at the same time');
    await scene.write('edge', [...rest, secret('c', pair('c.test'))]);
    t.equal(await shown('c.test'), 'c.test', 'mended');
  });

  await t.test('one that is not there', async (t) => {
    const missing = https('missing.test', 'missing');
    const servers = [https('a.test', 'a'), missing, https('b.test', 'b')];
    const all = [scene.gateway('edge', servers), everything, secret('b', pair('b.test'))];
    const problems = await scene.writeAnyhow('edge', [...all, secret('a', good)]);
    t.strictSame(errors(problems), [
      {
        what: 'invalid-credential Gateway/edge spec.servers[1].tls.credentialName',
        hasPlace: true,
      },
    ]);
    t.equal(await shown('a.test'), 'good');
    t.equal(await shown('b.test'), 'b.test');
    t.equal(await shown('missing.test'), '');
    const gone = await scene.writeAnyhow('edge', all);
    t.equal(errors(gone).length, 2, 'a Secret that goes');
    t.equal(await shown('a.test'), '', 'takes its server along');
    t.equal(await shown('b.test'), 'b.test', 'and no other');
    await scene.write('edge', [...base, secret('a', good)]);
    t.equal(await shown('a.test'), 'good', 'and back');
  });
});

t.test('Envoy took everything', async (t) => {
  const refusals = mesh.log.filter(({ message }) => message.startsWith('a proxy refused'));
  t.strictSame(refusals, []);
  t.equal(await router.stat('listener_manager.lds.update_rejected'), 0);
});
