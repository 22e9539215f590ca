// The promise of fairlead at its hardest: random edits of all kinds under steady load through real Envoys of both
// variants at once, and with virtual hosts one by one: not one request is lost or misled. SEED repeats a run, EDITS makes it longer or shorter,
// ENVOY_VERSION picks the Envoys.
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { oldestEnvoyVersion } from '../../src/cli/envoy-binary.js';
import { EditScene, members } from './edit-scene.js';
import { until } from './live-mesh.js';
import { type Choices, changes, Dice, moves, rearrangements } from './random-edits.js';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9));
const chosen = process.env['ENVOY_VERSION'];
const editsWanted = Number(process.env['EDITS'] ?? 200);

/** The newest Envoy, and fewer edits with the oldest; or what is asked for. */
const runs = [
  { version: chosen, editCount: editsWanted },
  ...(chosen === undefined
    ? [{ version: oldestEnvoyVersion, editCount: Math.ceil(editsWanted / 5) }]
    : []),
];

t.setTimeout(120_000 + editsWanted * 2_500);

/** Edits that are not a change of the world. */
const special: Readonly<Record<string, (scene: EditScene, choices: Choices) => Promise<void>>> = {
  async 'the same content again'(scene) {
    scene.spoil('alpha.yaml', scene.text('alpha.yaml'));
    await sleep(50);
    await scene.synced();
  },
  async 'an invalid document'(scene, { dice }) {
    const { state } = scene.mesh.server.controlPlane;
    const errors = () => state.problems().filter(({ severity }) => severity === 'error').length;
    const before = scene.text('beta.yaml');
    const garbage = dice.pick([
      `${before}\n---\n{ this is: [not, YAML`,
      before.replace('"weight":', '"wieght":').replace('"hosts":', '"hosts":7,"x":'),
      before.slice(0, -40),
    ]);
    scene.spoil('beta.yaml', garbage);
    if (garbage !== before) await until(5_000, () => errors() > 0);
    await sleep(50);
    scene.spoil('beta.yaml', before);
    await until(5_000, () => errors() === 0);
  },
  async 'the control plane restarts'(scene) {
    await scene.mesh.server.stop();
    await sleep(200);
    await scene.mesh.startServer();
    await scene.synced();
  },
};

/** What an edit is: mostly one change, now and then several within a debounce window. */
function* edits(count: number, dice: Dice): Generator<{ name: string; burst: number }> {
  const names = [...Object.keys(changes), ...Object.keys(moves), ...Object.keys(rearrangements)];
  const rare = ['the same content again', 'an invalid document', 'burst', 'slow burst'];
  const restarts = new Set([Math.floor(count / 3), Math.floor((count * 2) / 3)]);
  let bag: string[] = [];
  for (let i = 0; i < count; i++) {
    if (bag.length === 0) bag = dice.shuffle([...names, ...rare]);
    const name = restarts.has(i) ? 'the control plane restarts' : bag.pop()!;
    yield { name, burst: name.includes('burst') ? 2 + dice.below(4) : 0 };
  }
}

async function make(
  scene: EditScene,
  { name, burst }: { name: string; burst: number },
  choices: Choices,
): Promise<string> {
  const { dice } = choices;
  if (burst > 0) {
    const names = Array.from({ length: burst }, () => dice.pick(Object.keys(changes)));
    const steps = names.map((each) => () => changes[each]!(scene.world, choices));
    await scene.apply(name, steps, name === 'slow burst' ? 1 + dice.below(15) : 0);
    return names.join(', ');
  }
  const change = changes[name] ?? moves[name] ?? rearrangements[name];
  if (change === undefined) await special[name]!(scene, choices);
  else await scene.apply(name, [() => change(scene.world, choices)]);
  return name;
}

for (const { version, editCount } of runs) {
  t.test(
    `${editCount} random edits under load, Envoy ${version ?? ''}`,
    { timeout: 60_000 + editCount * 2_000 },
    async (t) => {
      t.comment(`SEED=${seed}`);
      const scene = await EditScene.start(version ? { version } : {});
      t.teardown(() => scene.stop());
      const choices: Choices = { dice: new Dice(seed), members, ports: scene.ports };
      const started = performance.now();
      for (const edit of edits(editCount, choices.dice)) {
        const before = structuredClone(scene.world);
        const at = new Date().toISOString();
        let said: string;
        try {
          said = await make(scene, edit, choices);
        } catch (error) {
          throw new Error(`SEED=${seed}, ${at} ${edit.name}: ${error}`);
        }
        if (scene.failures().length > 0) {
          await sleep(100);
          const logs = scene.sidecars.flatMap((sidecar) => notable(sidecar.log()));
          t.strictSame(scene.failures().slice(0, 8), [], `${at} ${edit.name}: ${said}`);
          t.comment(JSON.stringify({ before, after: scene.world }, undefined, 1));
          t.comment(logs.slice(-12).join('\n'));
          break;
        }
      }
      const seconds = (performance.now() - started) / 1000;
      await Promise.all(scene.loads.map((load) => load.stop()));
      t.strictSame(scene.failures().slice(0, 8), [], 'no request was lost or went astray');
      const discovered = await scene.sidecars.at(-1)!.admin('/stats?filter=vhds.*update_success$');
      const cannot = version === oldestEnvoyVersion;
      t.equal(/: [1-9]/.test(discovered), !cannot, 'the last one has virtual hosts by VHDS');
      t.strictSame(
        await scene.troubles(),
        [],
        'nothing waited for a time limit, nothing was refused',
      );
      const sorted = scene.latencies.sort((a, b) => a.ms - b.ms);
      const worst = sorted.at(-1)!;
      t.ok(
        worst.ms < 5_000,
        `no edit waits for a time limit: ${worst.name} ${worst.ms.toFixed(0)} ms`,
      );
      t.ok(scene.requests() > editCount * 20, `there was load (${scene.requests()} requests)`);
      const median = sorted[sorted.length >> 1]!.ms.toFixed(0);
      const perSecond = (scene.requests() / seconds).toFixed(0);
      t.comment(`${seconds.toFixed(0)} s, ${perSecond} requests/s, an edit ${median} ms (median)`);
    },
  );
}

/** Lines of an access log that are not about a 200, and warnings. */
function notable(log: string): string[] {
  const lines = log.split('\n').slice(-4000);
  return lines.filter((line) => !/HTTP\/1\.1" 200 |"response_code":200|^$/.test(line)).slice(-12);
}
