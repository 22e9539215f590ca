// The copy of the watched directory in mode `ports`: edits arrive, replaced files do not.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { mirrorConfig } from '../../../src/cli/demo/mirror-config.js';
import { portsConfig } from '../../../src/cli/demo/ports-config.js';

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + 5_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`not within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

t.test('copies, follows edits, renames and deletes, and keeps what is replaced', async (t) => {
  const dir = t.testdir({ source: { 'a.yaml': 'a: 1', 'places.yaml': 'real', 'notes.txt': 'x' } });
  const source = join(dir, 'source');
  const target = join(dir, 'target');
  mkdirSync(target);
  const mirror = mirrorConfig(source, target, { 'places.yaml': 'replaced' });
  t.teardown(() => mirror.close());
  const copied = (name: string) => readFileSync(join(target, name), 'utf8');
  t.equal(copied('a.yaml'), 'a: 1', 'at once');
  t.equal(copied('places.yaml'), 'replaced');
  t.notOk(existsSync(join(target, 'notes.txt')), 'what is no configuration stays where it is');

  writeFileSync(join(source, 'places.yaml'), 'real again');
  writeFileSync(join(source, 'a.new'), 'a: 2');
  renameSync(join(source, 'a.new'), join(source, 'a.yaml'));
  await until('the rename', () => copied('a.yaml') === 'a: 2');
  t.equal(copied('places.yaml'), 'replaced');
  rmSync(join(source, 'a.yaml'));
  await until('the delete', () => !existsSync(join(target, 'a.yaml')));
});

t.test('the replaced files point the same backend at this run', async (t) => {
  const backends = {
    'backend-v1': { envoy: 2001, app: 3001 },
    'backend-v2': { envoy: 2002, app: 3002 },
  };
  const files = portsConfig({ http: 1, https: 2, frontend: 3, backendService: 2000, backends });
  const documents = (name: string) => files[name]!.split('---\n').map((text) => parse(text));
  const service = (name: string, port: object) => ({
    kind: 'Service',
    metadata: { name },
    spec: { ports: [port] },
  });
  t.match(documents('services.yaml'), [
    service('frontend', { port: 80, targetPort: 3 }),
    service('backend', { port: 2000 }),
  ]);
  t.match(documents('gateway.yaml'), [
    {
      spec: {
        servers: [
          { port: { number: 1 }, bind: '127.0.0.1' },
          { port: { number: 2 }, bind: '127.0.0.1', tls: { mode: 'SIMPLE' } },
        ],
      },
    },
  ]);
  const [frontend, v1, v2] = documents('workloads.yaml');
  t.match(frontend.spec, { address: '127.0.0.1', ports: { http: 3 }, labels: { app: 'frontend' } });
  t.match(v1.spec, { address: '127.0.0.1', ports: { http: 2001 }, labels: { version: 'v1' } });
  t.match(v2.spec, { address: '127.0.0.1', ports: { http: 2002 }, labels: { version: 'v2' } });
});
