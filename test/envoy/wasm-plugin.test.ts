// A WasmPlugin in a real Envoy: its module answers requests, and one that cannot be loaded leaves the listener as it is.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { LiveMesh, until } from './live-mesh.js';
import { get } from './load.js';

t.setTimeout(60_000);

const ip = '127.0.72.1';

/** A module of proxy-wasm's ABI 0.2.0 that answers each request with 418, by hand: there is no assembler here. */
function teapot(): Buffer {
  const text = (value: string) => [value.length, ...Buffer.from(value)];
  const vector = (items: number[][]) => [items.length, ...items.flat()];
  const section = (id: number, bytes: number[]) => [id, bytes.length, ...bytes];
  const body = (...code: number[]) => [code.length + 2, 0, ...code, 0x0b];
  const i32 = 0x7f;
  const types = vector([
    [0x60, 0, 0],
    [0x60, 1, i32, 1, i32],
    [0x60, 2, i32, i32, 0],
    [0x60, 3, i32, i32, i32, 1, i32],
    [0x60, 8, ...Array<number>(8).fill(i32), 1, i32],
  ]);
  const imports = vector([[...text('env'), ...text('proxy_send_local_response'), 0, 4]]);
  const exports = vector([
    [...text('memory'), 2, 0],
    [...text('proxy_abi_version_0_2_0'), 0, 1],
    [...text('malloc'), 0, 2],
    [...text('proxy_on_context_create'), 0, 3],
    [...text('proxy_on_request_headers'), 0, 4],
  ]);
  const zero = [0x41, 0];
  // i32.const 418, six zeros, -1 (no gRPC status), call, drop; 1 stops the filter chain.
  const answer = [0x41, 0xa2, 0x03, ...Array(6).fill(zero).flat(), 0x41, 0x7f, 0x10, 0, 0x1a];
  const code = vector([body(), body(0x41, 0x80, 0x08), body(), body(...answer, 0x41, 1)]);
  return Buffer.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(2, imports),
    ...section(3, vector([[0], [1], [2], [3]])),
    ...section(5, [1, 0, 1]),
    ...section(7, exports),
    ...section(10, code),
  ]);
}

t.test('a module answers; one that is not there does no harm', async (t) => {
  const mesh = new LiveMesh({});
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-wasm-'));
  t.teardown(async () => {
    await mesh.stop();
    rmSync(directory, { recursive: true });
  });
  const port = await mesh.backend('127.0.0.1', (_, response) => response.end('application'));
  const file = join(directory, 'teapot.wasm');
  writeFileSync(file, teapot());
  mesh.write(
    'mesh.yaml',
    `
apiVersion: v1
kind: Service
metadata: {name: server, namespace: default}
spec: {selector: {app: server}, ports: [{name: http, port: 80, targetPort: ${port}}]}
`,
  );
  const plugin = (url: string, mode = 'SERVER') =>
    mesh.write(
      'plugin.yaml',
      `
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: teapot, namespace: default}
spec: {url: "file://${url}", match: [{mode: ${mode}}]}
`,
    );
  await mesh.startServer();
  await mesh.sidecar(ip, { name: 'server', labels: { app: 'server' } });
  await mesh.synced();
  const agent = new Agent({ keepAlive: false });
  const status = async () => (await get(`http://${ip}:${port}/`, { agent })).status;
  t.equal(await status(), 200);
  plugin(file);
  await until(10_000, async () => (await status()) === 418);

  plugin(join(directory, 'missing.wasm'));
  const refused = () =>
    mesh.server.controlPlane.state.problems().find(({ code }) => code === 'refused-by-envoy');
  await until(10_000, () => refused() !== undefined);
  t.match(refused(), { resource: { kind: 'WasmPlugin', name: 'teapot' } });
  t.equal(await status(), 418, 'what was in force stays');

  plugin(file, 'CLIENT');
  await until(10_000, async () => (await status()) === 200);
});
