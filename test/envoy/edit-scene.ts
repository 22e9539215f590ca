// The scene of the random edits: a mesh whose files follow an edited world, sidecars of both variants, and load
// through all of them. Edits are applied here and waited for; which ones is random-edits.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import { answersBetween, expectations, type Ground, render, type World } from './edited-world.js';
import { Fleet } from './fleet.js';
import { LiveMesh, type Sidecar, until } from './live-mesh.js';
import { Expected, type MixedLoad, startMixedLoad } from './mixed-load.js';
import { tcpBackend } from './tcp-client.js';

export const members = ['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8'] as const;

/** Envoy's words for a wait that ran out, endpoints that outlived theirs, and a refusal. */
const troubles = 'init_fetch_timeout|assignment_stale|assignment_use_cached|update_rejected';

export interface SceneOptions {
  /** Envoy's release. */
  version?: string;
}

/** One for each way that routes go out; the last one gets virtual hosts one by one. */
const sidecars = [
  { name: 'delta', protocol: 'delta' },
  { name: 'sotw', protocol: 'sotw' },
  { name: 'vhds', protocol: 'delta', metadata: { VIRTUAL_HOST_DISCOVERY: 'true' } },
] as const;

/** How long an edit took from its first write until all proxies had it. */
export interface Latency {
  name: string;
  ms: number;
}

export class EditScene {
  readonly expected = new Expected();
  readonly latencies: Latency[] = [];
  readonly loads: MixedLoad[] = [];
  readonly ports: readonly [number, number];
  #written = new Map<string, string>();
  readonly #backends: { close(): Promise<void> }[] = [];

  private constructor(
    readonly mesh: LiveMesh,
    readonly sidecars: Sidecar[],
    readonly ground: Ground,
    readonly world: World,
    otherPort: number,
  ) {
    this.ports = [ground.fleet.port, otherPort];
  }

  /** Starts everything; the load begins when all is in force. */
  static async start(options: SceneOptions = {}): Promise<EditScene> {
    const fleet = await Fleet.start(members);
    const { port } = fleet;
    const tcpPort = await fleet.freePort();
    const otherPort = await fleet.freePort();
    const world: World = {
      meshConfig: { accessLogFile: '/dev/stdout', accessLogEncoding: 'TEXT' },
      services: Object.fromEntries(
        [
          { name: 'alpha', kind: 'http', port, v1: ['m1'], v2: ['m2'] } as const,
          { name: 'beta', kind: 'http', port, v1: ['m3'], v2: ['m4'] } as const,
          { name: 'entry', kind: 'entry', port, v1: ['m5'], v2: ['m6'] } as const,
          { name: 'stream', kind: 'tcp', port: tcpPort, v1: ['m1'], v2: ['m2'] } as const,
          { name: 'mover', kind: 'http', port, v1: ['m7'], v2: ['m8'] } as const,
        ].map((service) => [service.name, { ...service }]),
      ),
    };
    const scene = new EditScene(new LiveMesh({}), [], { fleet, tcpPort }, world, otherPort);
    try {
      await scene.#begin(options);
    } catch (error) {
      await scene.stop();
      throw error;
    }
    return scene;
  }

  async #begin({ version }: SceneOptions): Promise<void> {
    const { mesh, expected, ground, world } = this;
    const { fleet, tcpPort } = ground;
    for (const member of members) {
      const address = fleet.address(member);
      this.#backends.push(await tcpBackend(address, member, { port: tcpPort }));
    }
    this.#write(render(world, ground));
    await mesh.startServer();
    const started = sidecars.map((options, i) =>
      mesh.sidecar(fleet.at(1 + i), { ...options, ...(version && { version }) }),
    );
    this.sidecars.push(...(await Promise.all(started)));
    await mesh.synced(sidecars.length);
    const { targets, answers } = expectations(world);
    expected.begin(answers);
    expected.targets = targets;
    await sleep(50);
    for (const { ip } of this.sidecars)
      this.loads.push(startMixedLoad(fleet, ip, { expected, workers: 3 }));
  }

  /** The failures of all loads. */
  failures(): string[] {
    return this.loads.flatMap(({ failures }) => failures);
  }

  requests(): number {
    return this.loads.reduce((sum, load) => sum + load.requests(), 0);
  }

  /** Makes changes one after the other, `pauseMs` apart, and waits until the last is in force at every proxy. */
  async apply(name: string, steps: readonly (() => void)[], pauseMs = 0): Promise<void> {
    const { expected, world, ground } = this;
    const worlds = [structuredClone(world)];
    const states = steps.map((step) => {
      step();
      worlds.push(structuredClone(world));
      return render(world, ground);
    });
    const after = expectations(worlds.at(-1)!);
    for (const target of expected.targets.keys()) {
      if (after.targets.has(target)) continue;
      expected.targets.delete(target);
      await until(20_000, () => (expected.underWay.get(target) ?? 0) === 0);
    }
    expected.begin(answersBetween(worlds));
    const generations = this.#generations();
    const started = performance.now();
    let changed = 0;
    for (const files of states) {
      changed += this.#write(files);
      if (pauseMs > 0) await sleep(pauseMs);
    }
    const sameResources = name === 'file split or merged';
    if (changed > 0 && !sameResources) {
      await until(5_000, () => this.#generations() > generations);
    }
    // Whether there is another generation to come cannot be told.
    if (steps.length > 1 || sameResources) await sleep(200);
    await this.synced();
    this.latencies.push({ name, ms: performance.now() - started });
    // Envoy acknowledges when its workers have been told: a call that came back is later than that.
    const { fleet } = this.ground;
    await Promise.all(this.sidecars.map(({ ip: via }) => fleet.askInTurn(2, 'alpha', { via })));
    expected.begin(after.answers);
    expected.targets = after.targets;
  }

  /** Puts text into a file that the world does not know, or over one that it does until its next change. */
  spoil(name: string, text: string): void {
    this.mesh.write(name, text);
    if (this.#written.has(name)) this.#written.set(name, text);
  }

  /** The text of a file as it was written last. */
  text(name: string): string {
    return this.#written.get(name) ?? '';
  }

  async synced(): Promise<void> {
    await this.mesh.synced(this.sidecars.length, 20_000);
  }

  /** Statistics of trouble that are not 0: waits that ran out, refused updates. */
  async troubles(): Promise<string[]> {
    const filter = encodeURIComponent(`\\.(${troubles})$`);
    const pages = await Promise.all(
      this.sidecars.map((sidecar) => sidecar.admin(`/stats?usedonly&filter=${filter}`)),
    );
    return pages.flatMap((page, i) =>
      page
        .split('\n')
        .filter((line) => line !== '' && !line.endsWith(': 0'))
        .map((line) => `${this.sidecars[i]!.ip} ${line}`),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.loads.map((load) => load.stop()));
    await this.mesh.stop();
    await Promise.all(this.#backends.map((backend) => backend.close()));
    await this.ground.fleet.stop();
  }

  /** New files first and removed ones last, so that no resource is ever in none. Gives how many differ. */
  #write(files: Map<string, string>): number {
    const before = this.#written;
    const differs = [...files].filter(([name, text]) => before.get(name) !== text);
    const known = (name: string) => Number(before.has(name));
    for (const [name, text] of differs.sort(([a], [b]) => known(a) - known(b))) {
      this.mesh.write(name, text);
    }
    const gone = [...before.keys()].filter((name) => !files.has(name));
    for (const name of gone) this.mesh.remove(name);
    this.#written = files;
    return differs.length + gone.length;
  }

  #generations(): number {
    return this.mesh.log.filter(({ message }) => message === 'generation in force').length;
  }
}
