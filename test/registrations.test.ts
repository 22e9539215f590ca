// Sidecars that register themselves in a WorkloadGroup: over real streams to a control plane, what the others are told
// while they are there, for a moment after, and who is not let in.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { registrationsFile } from '../src/cli/registrations-file.js';
import { until } from './envoy/live-mesh.js';
import { group, Scene } from './registration-scene.js';

t.setTimeout(60_000);

t.test('a sidecar is an endpoint while it is connected, and a moment longer', async (t) => {
  const scene = new Scene();
  await scene.start(t);
  const first = scene.member(1);
  await scene.settled(['10.0.1.1:9090']);
  const second = scene.member(2, { NETWORK: 'vm' });
  await scene.settled(['10.0.1.1:9090', '10.0.1.2:9090']);
  t.match(scene.entry('backends-10.0.1.2-vm'), {
    namespace: 'default',
    labels: { app: 'backend' },
    spec: { address: '10.0.1.2', network: 'vm', weight: 3, serviceAccount: 'backend' },
    registeredBy: /backend-2/,
  });
  t.ok(
    (
      (scene.plane.state.proxyConfiguration('backend-1')?.clusters ?? []) as { name: string }[]
    ).some(({ name }) => name === 'inbound|9090||'),
    'it serves what selects the labels of its group',
  );
  t.equal(scene.plane.state.generations().length, 1, 'no generation of configuration');

  const leftMs = performance.now();
  first.close();
  await sleep(100);
  scene.member(1);
  await sleep(400);
  t.same(scene.endpoints(), ['10.0.1.1:9090', '10.0.1.2:9090'], 'it came back in time');
  second.close();
  await scene.settled(['10.0.1.1:9090']);
  t.ok(performance.now() - leftMs > 700, 'not before the grace time');
  t.equal(scene.entry('backends-10.0.1.2-vm'), undefined);
});

t.test('a sidecar counts when it has its listeners, or has had time for it', async (t) => {
  const scene = new Scene();
  await scene.start(t);
  const startMs = performance.now();
  scene.member(1, {}, false);
  await sleep(200);
  scene.member(2);
  await scene.settled(['10.0.1.2:9090'], 1500);
  await scene.settled(['10.0.1.1:9090', '10.0.1.2:9090']);
  t.ok(performance.now() - startMs >= 1990, 'the silent one had its two seconds');
  const gone = scene.member(3, {}, false);
  await until(5000, () => scene.plane.state.proxies().length === 4);
  gone.close();
  await sleep(2500);
  t.same(scene.endpoints(), ['10.0.1.1:9090', '10.0.1.2:9090'], 'one that went before never did');
});

t.test('the group may come later, change, and go', async (t) => {
  const scene = new Scene();
  scene.source.delete('group.yaml');
  await scene.start(t);
  scene.member(1);
  await until(5000, () => scene.problems().length > 0);
  t.match(scene.problems(), [/^backend-1.default: .*there is no WorkloadGroup default\/backends/]);
  scene.source.set('group.yaml', group);
  await scene.settled(['10.0.1.1:9090']);
  t.same(scene.problems(), []);
  scene.source.set('group.yaml', group.replace('9090', '7070'));
  await scene.settled(['10.0.1.1:7070']);
  scene.source.delete('group.yaml');
  await scene.settled([]);
});

t.test("a user's WorkloadEntry of the same name counts", async (t) => {
  const scene = new Scene();
  scene.source.set(
    'own.yaml',
    `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: backends-10.0.1.1, labels: { app: backend } }
spec: { address: 10.0.1.1, ports: { http: 6060 } }
`,
  );
  await scene.start(t);
  scene.member(1);
  await scene.settled(['10.0.1.1:6060']);
  scene.source.delete('own.yaml');
  await scene.settled(['10.0.1.1:9090']);
});

t.test('with identities, the service account must be that of the group', async (t) => {
  const scene = new Scene({
    checks: {
      authenticate: () => ({ name: 'somebody' }),
      authorize: (_identity, { namespace }) => {
        if (namespace !== 'default') throw new Error('not yours');
      },
    },
  });
  await scene.start(t);
  scene.member(1, { SERVICE_ACCOUNT: 'other' });
  scene.member(2, { SERVICE_ACCOUNT: 'backend' });
  scene.member(3, { SERVICE_ACCOUNT: 'backend', NAMESPACE: 'elsewhere' });
  await scene.settled(['10.0.1.2:9090']);
  await until(5000, () => scene.problems().length > 0);
  t.match(scene.problems(), [/^backend-1.*service account backend, not "other"/]);
  t.equal(scene.plane.state.proxies().length, 3, 'the one of another namespace is not served');
});

t.test('two at one address: the one that came last counts', async (t) => {
  const scene = new Scene();
  await scene.start(t);
  const old = scene.member(1, { LABELS_: 'a' });
  await scene.settled(['10.0.1.1:9090']);
  const id = 'sidecar~10.0.1.1~replacement.default~default.svc.cluster.local';
  scene.connect(id, { AUTO_REGISTER_GROUP: 'backends' });
  await until(5000, () => scene.entry('backends-10.0.1.1')?.registeredBy === id);
  old.close();
  await sleep(500);
  t.same(scene.endpoints(), ['10.0.1.1:9090'], 'the end of the other one takes nothing away');
});

t.test('with a file, a control plane that starts again knows who was there', async (t) => {
  const file = join(t.testdir(), 'registrations.json');
  const log: string[] = [];
  const note = (_fields: object, message: string) => log.push(message);
  const memory = () => registrationsFile(file, { info: note, warn: note, error: note });
  const first = new Scene({ registrationMemory: memory() });
  await first.start(t);
  first.member(1);
  first.member(2);
  await first.settled(['10.0.1.1:9090', '10.0.1.2:9090']);
  await first.plane.stop();

  const second = new Scene({ registrationMemory: memory() });
  await second.start(t);
  await second.settled(['10.0.1.1:9090', '10.0.1.2:9090']);
  second.member(1);
  await sleep(500);
  t.same(second.endpoints(), ['10.0.1.1:9090', '10.0.1.2:9090'], 'nobody is missed yet');
  t.same(log, []);
  await second.plane.stop();

  writeFileSync(file, 'spoilt');
  const third = new Scene({ registrationMemory: memory() });
  await third.start(t);
  third.member(2);
  await third.settled(['10.0.1.2:9090']);
  t.same(log, ['registrations could not be read'], 'it goes on without');
});
