// A MeshConfig in a file of its own: in force, watched, and with the places of its mistakes.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { MemorySource } from '../../src/config/memory.js';
import { MeshConfigFile } from '../../src/config/mesh-config-file.js';
import { Store } from '../../src/store/store.js';

function open(t: Test, text: string) {
  const path = join(t.testdir({ 'mesh.yaml': text }), 'mesh.yaml');
  const source = new MeshConfigFile(new MemorySource(), path);
  t.teardown(() => source.close());
  return { path, source, store: new Store() };
}

t.test('the settings are in force, and an edit is noticed', async (t) => {
  const { path, source, store } = open(t, 'outboundTrafficPolicy: { mode: REGISTRY_ONLY }\n');
  let rings = 0;
  source.onChange(() => rings++);
  await source.start();
  const { generation } = store.accept(await source.read(), 0);
  t.match(generation.meshConfig?.spec, { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } });
  t.equal(await source.read(), await source.read(), 'the same state while nothing changed');
  writeFileSync(path, 'outboundTrafficPolicy: { mode: ALLOW_ANY }\nconnectTimeout: 3s\n');
  for (let i = 0; i < 100 && rings === 0; i++) await sleep(50);
  t.ok(rings > 0);
  const next = store.accept(await source.read(), 1).generation;
  t.match(next.meshConfig?.spec, {
    outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
    connectTimeout: 3000,
  });
});

t.test('a mistake has its place in the file, and the last good settings stay', async (t) => {
  const { path, source, store } = open(t, 'connectTimeout: 3s\n');
  store.accept(await source.read(), 0);
  writeFileSync(path, 'connectTimeout: 3s\noutboundTrafficPolicy:\n  mode: SOMETIMES\n');
  const { generation } = store.accept(await source.read(), 1);
  t.match(generation.problems, [
    { code: 'invalid-value', severity: 'error', position: { file: path, line: 3, col: 9 } },
  ]);
  t.match(generation.meshConfig?.spec, { connectTimeout: 3000 });
});

t.test('a missing file is refused at the start', async (t) => {
  const source = new MeshConfigFile(new MemorySource(), join(t.testdir({}), 'none.yaml'));
  t.teardown(() => source.close());
  await t.rejects(source.start(), { code: 'mesh-config' });
});
