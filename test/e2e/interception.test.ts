// The main job, end to end: a watched directory drives real Envoys that intercept traffic by
// iptables, in network namespaces (root) and in a user namespace. The frontend calls
// http://backend:8080/ and knows nothing of the mesh.
import { chmodSync, cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { chooseMode } from '../../src/cli/demo/choose-mode.js';
import type { NamespaceMode, PodHost } from '../../src/cli/demo/pod-host.js';
import { type RunningPod, runSidecar } from '../../src/cli/demo/run-pods.js';
import { type RunningDemo, startMesh } from '../../src/cli/demo/start-mesh.js';
import { demoDir, gateway } from '../../src/cli/demo/workloads.js';
import { ensureEnvoy } from '../../src/cli/envoy-binary.js';
import { startServer } from '../../src/cli/serve.js';

// The runner's 30 s for a file are too few on a busy machine.
t.setTimeout(240_000);

const silent = { info() {}, warn() {}, error() {} };

interface Answer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  body: string;
}

function get(
  target: { port: number } | { socketPath: string },
  path: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      ...target,
      path,
      headers,
      timeout: 5_000,
      agent: false,
    } as const;
    const call = request(options, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
      response.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error('timeout')));
    call.on('error', reject);
    call.end();
  });
}

async function until<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + 15_000;
  for (;;) {
    const value = await attempt().catch(() => undefined);
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Error(`not within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const callFrontend = (demo: RunningDemo) => get({ port: demo.frontendPort }, '/');

const meshed = (demo: RunningDemo) =>
  until('an answer through the mesh', async () => {
    const answer = await callFrontend(demo);
    return answer.status === 200 ? answer : undefined;
  });

/** Versions that answered `count` calls; a failed call counts under its status. */
async function split(demo: RunningDemo, count: number): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const { status, body } = await callFrontend(demo);
    const key = status === 200 ? JSON.parse(body).backend.version : String(status);
    seen[key] = (seen[key] ?? 0) + 1;
  }
  return seen;
}

const podOf = (demo: RunningDemo, name: string): RunningPod =>
  demo.pods.find(({ workload }) => workload.name === name)!;

/** One counter of a sidecar, 0 when it does not exist yet. */
async function stat(pod: RunningPod, name: string): Promise<number> {
  const { body } = await get({ socketPath: pod.adminSocket }, '/stats');
  const line = body.split('\n').find((text) => text.startsWith(`${name}: `));
  return Number(line?.slice(name.length + 2) ?? 0);
}

function edit(config: string, change: (text: string) => string): void {
  const file = join(config, 'routing.yaml');
  writeFileSync(`${file}.new`, change(readFileSync(file, 'utf8')));
  renameSync(`${file}.new`, file);
}

const outbound = (subset: string) =>
  `cluster.outbound|8080|${subset}|backend.default.svc.cluster.local;.upstream_rq_200`;
const inbound = 'cluster.inbound|8080||;.upstream_rq_200';

/** Where a control plane that starts again finds who was registered. */
const registrationsOf = (config: string) => `${config}.registrations.json`;

async function start(t: Test, mode: NamespaceMode) {
  const envoy = await ensureEnvoy();
  const config = join(t.testdir({}), 'config');
  cpSync(join(demoDir, 'config'), config, { recursive: true });
  let host: PodHost | undefined;
  try {
    host = (await chooseMode({ addresses: [gateway], envoyPath: envoy.path }, mode)).host!;
  } catch (error) {
    // Only a machine that cannot do it may skip; root must always be able to.
    if (mode === 'netns' && process.getuid?.() === 0) throw error;
    t.pass(`this machine does not allow ${mode}: ${String(error)}`, { skip: true });
    return undefined;
  }
  const options = {
    envoyPath: envoy.path,
    config,
    port: 0,
    httpsPort: 0,
    adminPort: 0,
    log: silent,
    registrationsFile: registrationsOf(config),
  };
  const demo = await startMesh({ mode, host, refused: [] }, options);
  t.teardown(() => demo.stop());
  return { demo, host, config };
}

for (const mode of ['netns', 'userns'] as const) {
  t.test(`${mode}: a call passes both sidecars`, { timeout: 60_000 }, async (t) => {
    const started = await start(t, mode);
    if (started === undefined) return;
    const { demo, host } = started;
    const { body } = await meshed(demo);
    const { backend, responseHeaders } = JSON.parse(body);
    t.equal(backend.headers.host, 'backend:8080', 'the app called the normal name and port');
    t.type(backend.headers['x-request-id'], 'string', 'a sidecar gave it an id');
    t.type(backend.headers['x-envoy-attempt-count'], 'string', "the client's sidecar counted it");
    t.equal(responseHeaders.server, 'envoy', "the answer came from the frontend's sidecar");
    t.type(responseHeaders['x-envoy-upstream-service-time'], 'string');

    const before = {
      sent:
        (await stat(podOf(demo, 'frontend'), outbound('v1'))) +
        (await stat(podOf(demo, 'frontend'), outbound('v2'))),
      v1: await stat(podOf(demo, 'backend-v1'), inbound),
      v2: await stat(podOf(demo, 'backend-v2'), inbound),
    };
    const seen = await split(demo, 100);
    const after = {
      sent:
        (await stat(podOf(demo, 'frontend'), outbound('v1'))) +
        (await stat(podOf(demo, 'frontend'), outbound('v2'))),
      v1: await stat(podOf(demo, 'backend-v1'), inbound),
      v2: await stat(podOf(demo, 'backend-v2'), inbound),
    };
    t.comment(`90/10 gave ${JSON.stringify(seen)}`);
    t.same(Object.keys(seen).sort(), ['v1', 'v2'], 'no call failed');
    // 90/10 of 100: five standard deviations are 15.
    t.ok(seen['v1']! >= 75 && seen['v2']! >= 1);
    t.equal(after.sent - before.sent, 100, "the frontend's sidecar sent every call");
    t.equal(after.v1 - before.v1, seen['v1'], "backend-v1's sidecar received its share");
    t.equal(after.v2 - before.v2, seen['v2'], "backend-v2's sidecar received its share");

    const at = async (port: number) => ({
      socketPath: await host.forward(`port-${port}`, '10.143.15.10', port),
    });
    const ready = await get(await at(15021), '/healthz/ready');
    t.equal(ready.status, 200, 'the sidecar says that it is ready, at a port that is not captured');
    const metrics = await get(await at(15090), '/stats/prometheus');
    t.match(
      metrics.body,
      /^envoy_cluster_upstream_rq\{.*cluster_name="outbound\|8080\|v1\|backend\.default\.svc\.cluster\.local".*\} \d+$/m,
      'metrics have the cluster as a tag',
    );

    const connections = () =>
      stat(podOf(demo, 'frontend'), 'listener.0.0.0.0_15006.downstream_cx_total');
    const connectionsBefore = await connections();
    for (const port of [15001, 15006]) {
      const { status } = await get(await at(port), '/').catch(() => ({ status: 0 }));
      t.ok([0, 503].includes(status), `port ${port} of a pod leads nowhere (${status})`);
    }
    const more = (await connections()) - connectionsBefore;
    t.ok(more <= 2, `a call to the sidecar's own ports does not loop (${more} connections)`);
  });
}

t.test('edits, and life without control plane or sidecar', { timeout: 90_000 }, async (t) => {
  const started = await start(t, process.getuid?.() === 0 ? 'netns' : 'userns');
  if (started === undefined) return;
  const { demo, host, config } = started;
  await meshed(demo);
  const frontend = podOf(demo, 'frontend');

  await t.test('an edit of weights moves traffic', async (t) => {
    const times: number[] = [];
    for (const [v1, v2] of [
      [50, 50],
      [0, 100],
    ] as const) {
      let weight = 0;
      edit(config, (text) =>
        text.replace(/weight: \d+\n(?! {4,}- match)/g, (line) => {
          weight += 1;
          // The first weight belongs to the commented header match.
          if (weight === 1) return line;
          return `weight: ${weight === 2 ? v1 : v2}\n`;
        }),
      );
      const renamedMs = performance.now();
      const inForce = (pod: RunningPod) =>
        until('the new weights at a sidecar', async () => {
          const { body } = await get(
            { socketPath: pod.adminSocket },
            '/config_dump?resource=dynamic_route_configs',
          );
          const dump = body.replaceAll(/\s/g, '');
          return dump.includes(`"weight":${v2}`) && (v1 === 0 || dump.includes(`"weight":${v1}`))
            ? true
            : undefined;
        });
      await Promise.all(demo.pods.map(inForce));
      times.push(performance.now() - renamedMs);
    }
    t.comment(
      `in force at every sidecar after ${times.map((ms) => `${ms.toFixed(0)} ms`).join(', ')}`,
    );
    t.same(await split(demo, 50), { v2: 50 });
  });

  await t.test('the other suggested edits: header match and fault', async (t) => {
    const original = readFileSync(join(config, 'routing.yaml'), 'utf8');
    const uncomment = (text: string, from: RegExp, lineCount: number) => {
      const lines = text.split('\n');
      const start = lines.findIndex((line) => from.test(line));
      for (let i = start; i < start + lineCount; i++) lines[i] = lines[i]!.replace('# ', '');
      return lines.join('\n');
    };
    const asTester = () => get({ port: demo.frontendPort }, '/', { 'end-user': 'tester' });

    edit(config, (text) =>
      uncomment(text, /# - match:/, 7)
        .replace(/weight: 0\n/, 'weight: 100\n')
        .replace(/weight: 100\n(?=\s+# Fault)/, 'weight: 0\n'),
    );
    await until('others at v1', async () =>
      (await split(demo, 5))['v1'] === 5 ? true : undefined,
    );
    for (let i = 0; i < 10; i++) t.equal(JSON.parse((await asTester()).body).backend.version, 'v2');
    t.same(await split(demo, 10), { v1: 10 });

    edit(config, () => uncomment(original, /# fault:/, 4));
    const failing = await until('a fault', async () => {
      const seen = await split(demo, 200);
      return (seen['502'] ?? 0) > 0 ? seen : undefined;
    });
    t.comment(`a fault of 20 % gave ${JSON.stringify(failing)}`);
    // The frontend answers 502 where its call failed. 20 % of 200: five standard deviations are 28.
    t.ok(failing['502']! >= 10 && failing['502']! <= 70);
    edit(config, () => original);
    await until('no fault', async () => ((await split(demo, 20))['v2'] === 20 ? true : undefined));
  });

  await t.test('an edit that is no YAML changes nothing and is reported', async (t) => {
    edit(config, (text) => text.replace('  http:', '  http: ['));
    await until('the problem', async () =>
      demo.server.controlPlane.state.problems().length > 0 ? true : undefined,
    );
    t.same(await split(demo, 20), { v2: 20 });
    edit(config, (text) => text.replace('  http: [', '  http:'));
    await until('no problem', async () =>
      demo.server.controlPlane.state.problems().length === 0 ? true : undefined,
    );
  });

  await t.test('a sidecar that is killed fails closed and comes back in full', async (t) => {
    await frontend.envoy.kill('SIGKILL');
    await frontend.envoy.exited;
    t.match(await callFrontend(demo), { status: 503 }, 'nothing passes without the sidecar');
    frontend.envoy = await runSidecar(host, frontend.workload, join(host.dir, 'xds.sock'));
    await meshed(demo);
    t.same(await split(demo, 20), { v2: 20 });
  });

  await t.test(
    'without the control plane traffic flows on, and its return changes nothing',
    async (t) => {
      const counters = [
        'cluster_manager.cluster_added',
        'cluster_manager.cluster_modified',
        'listener_manager.listener_added',
        'listener_manager.listener_modified',
      ];
      const updates = () => Promise.all(counters.map((name) => stat(frontend, name)));
      const connected = () => stat(frontend, 'control_plane.connected_state');
      const before = await updates();
      t.ok(before[0]! > 0 && before[2]! > 0, 'the counters are those that count');
      await demo.server.stop();
      t.same(await split(demo, 50), { v2: 50 });
      await until('the sidecar notices', async () =>
        (await connected()) === 0 ? true : undefined,
      );

      const xds = join(host.dir, 'xds.sock');
      const again = await startServer({
        config,
        xds: [`unix:${xds}`],
        admin: '127.0.0.1:0',
        registrationsFile: registrationsOf(config),
        log: silent,
      });
      t.teardown(() => again.stop());
      chmodSync(xds, 0o666);
      await until('every sidecar and the gateway are back', async () =>
        again.controlPlane.state.proxies().length === demo.pods.length + 1 ? true : undefined,
      );
      edit(config, (text) =>
        text
          .replace(/weight: 0\n/, 'weight: 100\n')
          .replace(/weight: 100\n(?=\s+# Fault)/, 'weight: 0\n'),
      );
      await until('an edit after its return', async () =>
        (await split(demo, 5))['v1'] === 5 ? true : undefined,
      );
      const after = await updates();
      t.same(after, before, 'no cluster and no listener was touched');
    },
  );
});
