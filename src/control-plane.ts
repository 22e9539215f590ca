// Wires everything. Nothing works inside an event: the source and the streams only mark something dirty, and one
// loop runs short turns (ARCHITECTURE.md, How a change travels). Questions are answered in answers.ts.
import { Answers } from './answers.js';
import type { Source } from './config/source.js';
import type { TypeUrl } from './envoy/resource.js';
import { typeShortName } from './envoy/resource.js';
import { errorMessage } from './lib/error.js';
import { buildMesh, type Mesh } from './mesh/build-mesh.js';
import { parseProxy } from './mesh/parse-proxy.js';
import type { Proxy } from './mesh/proxy.js';
import { causesOf, ServedViews } from './served-views.js';
import { emptySnapshot } from './snapshot/build-snapshot.js';
import { encodeCounters } from './snapshot/encode.js';
import { createMetrics, type Metrics } from './status/metrics.js';
import { formatProblemStatus, locateResource } from './status/problems.js';
import type { ConnectedProxy } from './status/proxies.js';
import type { ControlPlaneState, ProblemStatus } from './status/state.js';
import type { Acceptance } from './store/generation.js';
import { Store } from './store/store.js';
import {
  createXdsServer,
  type ListenAddress,
  type NackEvent,
  SnapshotCache,
  type XdsNode,
  type XdsServer,
  type XdsStream,
} from './xds/server.js';

/** Where the control plane says what it does; pino's logger is one. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ControlPlaneOptions {
  source: Source;
  log: Log;
  /** Put into each response's `control_plane.identifier`. */
  identifier?: string;
}

/** How long a turn may hold the event loop before it lets acknowledgements and keepalives through, in ms. */
const SLICE_MS = 10;

/** A control plane over one source: `start` it, then `listen`. `state` answers the admin API's questions. */
export class ControlPlane {
  readonly metrics: Metrics;
  readonly state: ControlPlaneState;
  readonly #source: Source;
  readonly #log: Log;
  readonly #store = new Store();
  readonly #cache = new SnapshotCache();
  readonly #views = new ServedViews();
  readonly #proxies = new Map<string, ConnectedProxy>();
  readonly #xds: XdsServer;
  #mesh: Mesh = buildMesh({ byKind: () => [] });
  #loggedProblems: ReadonlySet<string> = new Set();
  #dirty = false;
  #turning: Promise<void> | undefined;
  #stopped = false;

  constructor({ source, log, identifier }: ControlPlaneOptions) {
    this.#source = source;
    this.#log = log;
    const answers = new Answers({
      generation: () => this.#store.current,
      history: () => this.#store.history,
      mesh: () => this.#mesh,
      proxies: this.#proxies,
      views: this.#views,
    });
    this.state = answers;
    this.metrics = createMetrics({
      generation: () => this.#store.current.id,
      resourcesByKind: () => answers.resourceCounts(),
      problemCounts: () => answers.problemCounts(),
      connectedProxies: () => this.#proxies.size,
      distinctViews: () => this.#views.size,
      encodings: () => encodeCounters.encodings,
    });
    this.#xds = createXdsServer({
      cache: this.#cache,
      groupOf: (node) => groupOf(proxyOf(node)),
      unknownNamed: 'empty',
      identifier,
      callbacks: {
        onNode: (stream, node) => this.#onNode(stream, node),
        onStreamClosed: (stream) => this.#onStreamClosed(stream),
        onResponse: (_stream, typeUrl, sent) => {
          this.metrics.pushes.inc({ type: shortName(typeUrl) });
          this.metrics.pushedBytes.inc({ type: shortName(typeUrl) }, sent.bytes);
        },
        onAck: (stream, typeUrl) => {
          this.metrics.acks.inc({ type: shortName(typeUrl) });
          this.#connectedOf(stream)?.nacks.delete(typeUrl);
        },
        onNack: (stream, typeUrl, nack) => this.#onNack(stream, typeUrl as TypeUrl, nack),
      },
    });
  }

  /** Reads the source and builds the first state, so that the first answer to an Envoy is complete. */
  async start(): Promise<void> {
    await this.#source.start();
    this.#source.onChange(() => this.#ring());
    await this.#turn();
  }

  /** Opens an xDS address and gives the bound one. May be called for several. */
  async listen(address: ListenAddress): Promise<{ host: string; port: number } | { path: string }> {
    return this.#xds.listen(address);
  }

  /** Stops watching and ends the streams in order, within a few seconds. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#source.close();
    await this.#xds.close();
    await this.#turning;
  }

  #ring(): void {
    this.#dirty = true;
    if (this.#turning !== undefined || this.#stopped) return;
    this.#turning = this.#turn()
      .catch((thrown) => this.#log.error({ error: errorMessage(thrown) }, 'turn failed'))
      .finally(() => {
        this.#turning = undefined;
        if (this.#dirty) this.#ring();
      });
  }

  async #turn(): Promise<void> {
    this.#dirty = false;
    const state = await this.#source.read();
    const startMs = performance.now();
    const accepted = this.#store.accept(state, Date.now());
    if (accepted.resourcesChanged) {
      this.#mesh = buildMesh(accepted.generation, this.#mesh);
      await this.#serveAll();
      this.#logGeneration(accepted, performance.now() - startMs);
    }
    if (!accepted.resourcesChanged && !accepted.problemsChanged) return;
    // Looking for problems may take a while in a large mesh: what was just handed to the streams goes out first.
    await new Promise((resolve) => setImmediate(resolve));
    this.#logProblems();
  }

  async #serveAll(): Promise<void> {
    let sliceMs = performance.now();
    for (const connected of [...this.#proxies.values()]) {
      this.#serve(connected);
      if (performance.now() - sliceMs > SLICE_MS) {
        await new Promise((resolve) => setImmediate(resolve));
        sliceMs = performance.now();
      }
    }
    this.#forgetViews();
  }

  #serve(connected: ConnectedProxy): void {
    const failedBefore = this.#views.get(connected.viewKey)?.failure;
    const served = this.#views.serve(this.#mesh, connected.proxy);
    if (served.failure !== undefined && served.failure !== failedBefore) {
      this.metrics.translationFailures.inc();
      this.#log.error(
        { view: served.view.key, error: errorMessage(served.failure) },
        'translation failed; the last good configuration stays in force',
      );
    }
    connected.viewKey = served.view.key;
    connected.snapshot = served.snapshot;
    this.#cache.set(connected.group, served.snapshot);
  }

  #forgetViews(): void {
    this.#views.keepOnly(new Set([...this.#proxies.values()].map(({ viewKey }) => viewKey)));
  }

  #onNode(stream: XdsStream, node: XdsNode): void {
    const proxy = proxyOf(node);
    const group = groupOf(proxy);
    let connected = this.#proxies.get(group);
    if (connected === undefined) {
      const snapshot = emptySnapshot;
      connected = { group, proxy, streams: new Set(), viewKey: '', snapshot, nacks: new Map() };
      this.#proxies.set(group, connected);
      this.#log.info({ proxy: proxy.id, peer: stream.peer, variant: stream.variant }, 'connected');
    }
    connected.streams.add(stream);
    this.#serve(connected);
  }

  #onStreamClosed(stream: XdsStream): void {
    const connected = this.#connectedOf(stream);
    if (connected === undefined || !connected.streams.delete(stream)) return;
    if (connected.streams.size > 0) return;
    this.#proxies.delete(connected.group);
    this.#cache.clear(connected.group);
    this.#forgetViews();
    this.#log.info({ proxy: connected.proxy.id }, 'disconnected');
  }

  #connectedOf(stream: XdsStream): ConnectedProxy | undefined {
    return stream.node && this.#proxies.get(groupOf(proxyOf(stream.node)));
  }

  #onNack(stream: XdsStream, typeUrl: TypeUrl, nack: NackEvent): void {
    this.metrics.nacks.inc({ type: shortName(typeUrl) });
    const connected = this.#connectedOf(stream);
    const served = connected && this.#views.get(connected.viewKey);
    if (connected === undefined || served === undefined) return;
    const causes = nack.resourceNames
      .flatMap((name) => causesOf(served, typeUrl, name))
      .map((id) => locateResource(id, this.#store.current));
    const { message, resourceNames: resources } = nack;
    connected.nacks.set(typeUrl, { message, timeMs: Date.now(), resources, causes });
    this.#log.error(
      { proxy: connected.proxy.id, type: shortName(typeUrl), resources, causes, message },
      'a proxy refused its configuration; its last good one stays in force there',
    );
  }

  #logGeneration({ record }: Acceptance, turnMs: number): void {
    this.metrics.turnSeconds.observe(turnMs / 1000);
    if (record === undefined) return;
    const { id, added, updated, removed } = record;
    const ms = Math.round(turnMs * 10) / 10;
    this.#log.info(
      { generation: id, ms, added: brief(added), updated: brief(updated), removed: brief(removed) },
      'generation in force',
    );
  }

  /** Says each problem once when it comes and once when it is mended. */
  #logProblems(): void {
    const now = new Map<string, ProblemStatus>();
    for (const problem of this.state.problems()) now.set(formatProblemStatus(problem), problem);
    for (const [text, { severity, code }] of now) {
      if (this.#loggedProblems.has(text) || severity === 'info') continue;
      this.#log[severity === 'error' ? 'error' : 'warn']({ code }, text);
    }
    for (const text of this.#loggedProblems)
      if (!now.has(text)) this.#log.info({}, `mended: ${text}`);
    this.#loggedProblems = new Set(
      [...now].filter(([, { severity }]) => severity !== 'info').map(([text]) => text),
    );
  }
}

/** At most a few keys, so that the first read of a large mesh is one line of the log. */
function brief(keys: readonly string[]): readonly string[] | string {
  return keys.length <= 10 ? keys : `${keys.length} resources`;
}

function shortName(typeUrl: string): string {
  return typeShortName[typeUrl] ?? typeUrl;
}

const proxies = new WeakMap<XdsNode, Proxy>();

/** The proxy of a node; parsed once. */
function proxyOf(node: XdsNode): Proxy {
  let proxy = proxies.get(node);
  if (proxy === undefined) {
    const { region, zone, subZone } = node.locality;
    const locality = { region, zone, sub_zone: subZone };
    const { id, cluster, metadata, userAgentVersion: version } = node;
    proxy = parseProxy({ id, cluster, metadata, locality, version });
    proxies.set(node, proxy);
  }
  return proxy;
}

/** Streams of Envoys that describe themselves alike are one group; two with one id but other labels are two. */
function groupOf(proxy: Proxy): string {
  return JSON.stringify(proxy);
}
