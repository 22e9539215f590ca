// Changes of the mesh while real gRPC clients call through it: not one call may fail. gRPC asks for clusters only when
// its routes name them, and for endpoints after that, so each change goes through more steps than with an Envoy.
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { until } from '../envoy/live-mesh.js';
import { GrpcBackend } from './grpc-backend.js';
import { languages, type Outcomes } from './grpc-client.js';
import {
  destinationRule,
  startGrpcMesh,
  target,
  to,
  virtualService,
  workload,
} from './grpc-mesh.js';

t.setTimeout(120_000);
const scene = await startGrpcMesh();

/** Quick calls one after the other, and slow ones through a channel of their own that changes meet in flight. */
const loads = [
  { to: target, options: { gapMs: 1, details: true } },
  { to: 'xds:///backend:8080', options: { metadata: { 'x-sleep-ms': '25' }, details: true } },
];

/** Calls with both clients for as long as `change` takes: none may fail. */
async function underLoad(t: Test, change: () => Promise<void>): Promise<void> {
  const running = await Promise.all(
    languages.flatMap((language) =>
      loads.map(async (load) => {
        const stop = await scene.clients[language].load(load.to, load.options);
        return { name: `${language} to ${load.to}`, stop };
      }),
    ),
  );
  await change();
  await sleep(100);
  for (const { name, stop } of running) {
    const outcomes = await stop();
    const failed = Object.keys(outcomes).filter(
      (outcome) => !outcome.startsWith('OK ') && !isTooEarly(name, outcomes, outcome),
    );
    t.strictSame(failed, [], `${name}: no call failed`, { outcomes });
    t.ok(total(outcomes) > 10, `${name}: there were calls`, { outcomes });
  }
}

/**
 * gRPC's C core acknowledges a route before it is in use (docs/grpc.md): on a slow machine a single call may still be on
 * the way to the cluster that is taken away after that.
 */
function isTooEarly(name: string, outcomes: Outcomes, outcome: string): boolean {
  const count = outcomes[outcome] ?? 0;
  return (
    name.startsWith('python') && /^UNAVAILABLE CDS .* does not exist/.test(outcome) && count < 3
  );
}

function total(outcomes: Outcomes): number {
  return Object.values(outcomes).reduce((sum, count) => sum + count, 0);
}

/** Waits until each client gets answers of `wanted` and no other. */
async function reached(wanted: string): Promise<void> {
  for (const language of languages) {
    await until(8_000, async () => {
      const { outcomes } = await scene.clients[language].call(target, { count: 6 });
      return Object.keys(outcomes).sort().join() === wanted;
    });
  }
}

for (const language of languages) await scene.clients[language].call(target);

await t.test('endpoints come and go', async (t) => {
  const v3 = await new GrpcBackend('v3').start('127.0.0.1');
  await underLoad(t, async () => {
    for (let round = 0; round < 3; round++) {
      await scene.write('v3', workload('v3', v3.port));
      await scene.remove('v2');
      await reached('OK v1,OK v3');
      await scene.write('v2', workload('v2', scene.v2.port));
      await scene.remove('v3');
      await reached('OK v1,OK v2');
    }
  });
  v3.stop();
});

await t.test('a route moves to other subsets, which are renamed with it', async (t) => {
  const both = (subset: string) => [
    destinationRule(undefined, [subset]),
    virtualService({ route: [to(subset)] }),
  ];
  await scene.write('rule', ...both('v1'));
  await underLoad(t, async () => {
    for (const [subset, answer] of [
      ['v2-a', 'OK v2'],
      ['v1-b', 'OK v1'],
      ['v2-c', 'OK v2'],
      ['v1-d', 'OK v1'],
    ] as const) {
      // Both at once, and the old subset is gone at the same moment.
      await scene.write('rule', ...both(subset));
      await reached(answer);
    }
  });
});
