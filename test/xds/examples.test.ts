// The examples of the library run as they are, against the built package: one real Envoy, and gRPC clients without one.
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { buildBootstrap } from '../../src/cli/bootstrap.js';
import { startEnvoy } from '../envoy/envoy-process.js';
import { until } from '../envoy/live-mesh.js';

t.setTimeout(60_000);

const example = (name: string) =>
  fileURLToPath(new URL(`../../examples/xds-library/${name}`, import.meta.url));

interface Example {
  child: ChildProcess;
  output(): string;
  ended: Promise<number | null>;
}

function start(t: Test, name: string, env: Record<string, string> = {}): Example {
  const child = spawn(process.execPath, [example(name)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      text += chunk;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, ended, output: () => text };
}

t.test('envoy.mjs configures a real Envoy', async (t) => {
  const app = createServer((_request, response) => response.end('from the app'));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  t.teardown(() => app.close());
  const upstream = String((app.address() as { port: number }).port);
  const running = start(t, 'envoy.mjs', {
    ...{ XDS_PORT: '0', LISTENER_PORT: '0', UPSTREAM_PORT: upstream },
  });
  const address = () => /xDS on (\S+)/.exec(running.output())?.[1];
  await until(20_000, () => address() !== undefined || running.child.exitCode !== null);
  t.ok(address(), running.output());
  const envoy = await startEnvoy({
    bootstrap: buildBootstrap({
      ...{ type: 'plain', name: 'my-envoy', xds: address()! },
      ...{ admin: '127.0.0.1:0', metricsPort: 0, healthPort: 0 },
    }),
  });
  t.teardown(() => envoy.stop());
  const answer = await fetch(`http://127.0.0.1:${await envoy.listenerPort('ingress')}/`);
  t.equal(await answer.text(), 'from the app');
  await until(5_000, () => /my-envoy accepted \S+Listener [0-9a-f]{16}/.test(running.output()));
  running.child.kill('SIGTERM');
  t.equal(await running.ended, 0);
});

t.test('grpc.mjs leads calls of xds:///greeter, and moves them', async (t) => {
  const running = start(t, 'grpc.mjs');
  t.equal(await running.ended, 0, running.output());
  t.equal(running.output(), 'answers from one, two\nanswers from two\n');
});
