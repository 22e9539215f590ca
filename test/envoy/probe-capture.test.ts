// The probe of a WorkloadGroup where traffic is really intercepted (root and network namespaces): it reaches the application
// and not its sidecar, told by mark and by user id, by REDIRECT and TPROXY.
import { chmodSync } from 'node:fs';
import { dirname } from 'node:path';
import t from 'tap';
import { CapturedPod } from './captured-pod.js';
import { documents, resource } from './fleet.js';
import { LiveMesh, until } from './live-mesh.js';

t.setTimeout(120_000);

const PORT = 8080;

/** Counts who asks how it is; `/bad` makes it say that it is not well. */
const app = `
  import { createServer } from 'node:http';
  const asked = [];
  let status = 200;
  const server = createServer((request, response) => {
    if (request.url === '/asked') response.end(JSON.stringify(asked));
    else if (request.url === '/bad') response.end(String((status = 503)));
    else {
      asked.push([request.socket.remoteAddress, Object.keys(request.headers).sort().join()]);
      response.writeHead(status).end();
    }
  });
  await new Promise((resolve) => server.listen(${PORT}, resolve));
  console.log('ready');`;

const mesh = documents(
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'app' },
    spec: { selector: { app: 'app' }, ports: [{ name: 'http', port: 80, targetPort: PORT }] },
  },
  resource('WorkloadGroup', 'apps', {
    metadata: { labels: { app: 'app' } },
    template: {},
    probe: { periodSeconds: 1, httpGet: { path: '/health', port: PORT } },
  }),
);

for (const tproxy of [false, true]) {
  t.test(tproxy ? 'TPROXY' : 'REDIRECT', async (t) => {
    if (process.getuid?.() !== 0) {
      t.pass('needs root for network namespaces', { skip: true });
      return;
    }
    const pod = new CapturedPod({ tproxy });
    const live = new LiveMesh({ 'mesh.yaml': mesh });
    t.teardown(async () => {
      await pod.stop();
      await live.stop();
    });
    pod.setUp();
    await live.startServer();
    const xds = live.server.xds[0]!;
    // The sidecar runs as another user.
    chmodSync(dirname(xds.replace('unix:', '')), 0o755);
    chmodSync(xds.replace('unix:', ''), 0o777);
    await Promise.all([pod.serve('pod', app), pod.startSidecar(xds, {}, 'apps')]);
    const health = () => {
      const [entry] = live.server.controlPlane.state.resources({ kind: 'WorkloadEntry' });
      const status = entry?.status as { conditions: [{ status: string }] } | undefined;
      return status?.conditions[0].status;
    };
    await until(15_000, () => health() === 'True');
    await until(
      10_000,
      async () => (await pod.stat('listener_manager.total_listeners_active')) > 1,
    );
    const ask = (path: string) =>
      pod.run('pod', `console.log(await (await fetch('http://${pod.ip}:${PORT}${path}')).text())`);
    await ask('/bad');
    await until(15_000, () => health() === 'False');
    const asked = (await ask('/asked')) as [string, string][];
    t.ok(asked.length >= 2);
    t.same(
      [...new Set(asked.map(([from]) => from.replace('::ffff:', '')))],
      [pod.ip],
      'by the machine itself',
    );
    t.same([...new Set(asked.map(([, headers]) => headers))], ['host,user-agent']);
    t.equal(await pod.stat('15006.*downstream_cx_total$'), 0, 'the sidecar is not passed');
    t.equal(await pod.stat('15001.*downstream_cx_total$'), 0, 'nor on the way out');
  });
}
