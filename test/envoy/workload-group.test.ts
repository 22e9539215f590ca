// Real Envoys that register themselves in a WorkloadGroup: instances come and go without an edit, and calls follow them.
// The sidecars have explicit ports; what they are and serve is the group's and a Sidecar's to say.
import t from 'tap';
import { countByName, documents, Fleet, resource } from './fleet.js';
import { LiveMesh, until } from './live-mesh.js';

t.test('instances come and go', { timeout: 90_000 }, async (t) => {
  const fleet = await Fleet.start(['one', 'two', 'three']);
  const port = await fleet.freePort();
  const mesh = new LiveMesh({
    'mesh.yaml': documents(
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'backend' },
        spec: {
          selector: { app: 'backend' },
          ports: [{ name: 'http', port: fleet.port, targetPort: port }],
        },
      },
      resource('DestinationRule', 'backend', {
        host: 'backend',
        trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBIN' } },
        subsets: [{ name: 'v2', labels: { version: 'v2' } }],
      }),
      resource('WorkloadGroup', 'backends', {
        metadata: { labels: { app: 'backend' } },
        template: {},
      }),
      // The sidecar listens beside the app, on the same address.
      resource('Sidecar', 'backends', {
        workloadSelector: { labels: { app: 'backend' } },
        ingress: [
          {
            port: { number: port, name: 'http', protocol: 'HTTP' },
            defaultEndpoint: `0.0.0.0:${fleet.port}`,
          },
        ],
      }),
    ),
  });
  t.teardown(async () => {
    await mesh.stop();
    await fleet.stop();
  });
  await mesh.startServer();
  const instance = (name: string) =>
    mesh.sidecar(fleet.address(name), {
      name,
      metadata: { AUTO_REGISTER_GROUP: 'backends' },
    });
  const [, one] = await Promise.all([
    mesh.sidecar(fleet.at(1), { name: 'client' }),
    instance('one'),
  ]);
  const spread = (count = 12) => fleet.askInTurn(count, 'backend').then(countByName);
  const becomes = async (expected: object, timeoutMs = 5000) => {
    let last: object = {};
    const wanted = JSON.stringify(expected);
    await until(timeoutMs, async () => {
      last = Object.fromEntries(Object.entries(await spread()).sort());
      return JSON.stringify(last) === wanted;
    }).catch(() => t.fail(`${JSON.stringify(last)} instead of ${wanted}`));
  };
  await becomes({ one: 12 });
  t.pass('the first instance serves');

  await Promise.all([instance('two'), instance('three')]);
  await becomes({ one: 4, three: 4, two: 4 });
  t.pass('two more take their share');

  process.kill(one.pid, 'SIGKILL');
  const killedMs = performance.now();
  const answers: Record<string, number> = {};
  while (performance.now() - killedMs < 3000) {
    for (const [name, count] of Object.entries(await spread(4))) {
      answers[name] = (answers[name] ?? 0) + count;
    }
  }
  // Envoy learns by a call that a connection is dead, and by default does not repeat that one.
  const { two = 0, three = 0, ...others } = answers;
  t.ok(two > 10 && three > 10, `calls are tried elsewhere: ${JSON.stringify(answers)}`);
  t.ok((others['503'] ?? 0) <= 1 && Object.keys(others).length <= 1);
  const registered = () => mesh.server.controlPlane.state.resources({ kind: 'WorkloadEntry' });
  t.equal(registered().length, 3, 'it might come back');
  await until(15_000, () => registered().length === 2);
  t.ok(performance.now() - killedMs > 9000, 'it is gone after the grace time');
  await becomes({ three: 6, two: 6 });

  await instance('one');
  await becomes({ one: 4, three: 4, two: 4 });
  t.pass('and welcome again');
});
