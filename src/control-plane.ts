// Wires everything. Nothing works inside an event: the source and the streams only mark something dirty, and one
// loop runs short turns (ARCHITECTURE.md, How a change travels). Questions are answered in answers.ts.
import { Answers } from './answers.js';
import type { Source } from './config/source.js';
import { LISTENER, ROUTE, type TypeUrl, VIRTUAL_HOST } from './envoy/resource.js';
import { causesOfRefusal, HeldBackResources, insteadOf } from './held-back.js';
import { errorMessage } from './lib/error.js';
import { memoize, sameOr } from './lib/memo.js';
import { analysisSteps } from './mesh/analyze.js';
import { buildMesh, type Mesh } from './mesh/build-mesh.js';
import { parseProxy } from './mesh/parse-proxy.js';
import { probeOf } from './mesh/probe.js';
import type { Proxy } from './mesh/proxy.js';
import type { ProxyView } from './mesh/proxy-view.js';
import {
  type RegisteredWorkloads,
  registeredName,
  registeredWorkloads,
  withRegistered,
  groupOf as workloadGroupOf,
} from './mesh/workload-group.js';
import { RETURN_MS, type RegistrationMemory, Registrations } from './registrations.js';
import { ServedViews } from './served-views.js';
import { Slice } from './slice.js';
import { encodeCounters } from './snapshot/encode.js';
import type { EncodedResource } from './snapshot/snapshot.js';
import { createMetrics, type Metrics } from './status/metrics.js';
import { ProblemLog } from './status/problem-log.js';
import { locateResource } from './status/problems.js';
import { type ConnectedProxy, type ServedView, shortTypeName } from './status/proxies.js';
import type { ControlPlaneState, Nack } from './status/state.js';
import type { Acceptance } from './store/generation.js';
import { Store } from './store/store.js';
import type { Translation } from './translate/translate.js';
import { withoutPatch } from './without-patch.js';
import { WorkloadHealth } from './workload-health.js';
import {
  type Authenticate,
  createXdsServer,
  type HeldBack,
  type ListenAddress,
  type NackEvent,
  type RefusedResource,
  type ReleaseReason,
  SnapshotCache,
  type Variant,
  type XdsIdentity,
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

/** Decides about streams; an exception refuses one, and its message is sent to the client. */
export interface StreamChecks {
  authenticate: Authenticate;
  /** Whether the identity may be that proxy. */
  authorize(identity: XdsIdentity | undefined, proxy: Proxy): void;
}

export interface ControlPlaneOptions {
  source: Source;
  log: Log;
  /** Put into each response's `control_plane.identifier`. */
  identifier?: string;
  /** Who may connect, and as what; absent: anybody as anything. */
  checks?: StreamChecks;
  /** How long a registered sidecar may be away, in ms; 10 s, as in Istio. */
  registrationGraceMs?: number;
  /** Where registrations outlive the process; absent: nowhere. */
  registrationMemory?: RegistrationMemory;
  /** Instead of the translation, so that tests can make one fail. */
  translateView?: (view: ProxyView) => Translation;
}

/** Proxies that come or go, and edits, within this time are tidied up after together, in ms. */
const TIDY_MS = 200;
/** So often findings are begun anew for an edit that came meanwhile. */
const TIDY_TRIES = 3;

/** After a turn that failed, another one is tried after this, in ms. */
const RETRY_MS = 1000;

/** A control plane over one source: `start` it, then `listen`. `state` answers the admin API's questions. */
export class ControlPlane {
  readonly metrics: Metrics;
  readonly state: ControlPlaneState;
  readonly #source: Source;
  readonly #log: Log;
  readonly #store = new Store();
  readonly #cache = new SnapshotCache();
  readonly #views: ServedViews;
  readonly #proxies = new Map<string, ConnectedProxy>();
  readonly #held = new HeldBackResources();
  readonly #xds: XdsServer;
  readonly #answers: Answers;
  readonly #problemLog: ProblemLog;
  /** Each brings one newcomer into the state that is served. */
  readonly #newcomers: ((slice: Slice) => Promise<void>)[] = [];
  #welcoming = false;
  readonly #registrations: Registrations;
  readonly #health: WorkloadHealth;
  readonly #verifies: boolean;
  #registered: RegisteredWorkloads = registeredWorkloads([], { byKind: () => [] });
  #mesh: Mesh = buildMesh({ byKind: () => [] });
  /** The generation that the mesh was built of; 0 before the first. */
  #meshGeneration = 0;
  #meshFailure: unknown;
  #dirty = false;
  #turning: Promise<void> | undefined;
  #tidying = false;
  #stopped = false;

  constructor(options: ControlPlaneOptions) {
    const { source, log, identifier, checks, translateView } = options;
    this.#source = source;
    this.#log = log;
    this.#verifies = checks !== undefined;
    this.#registrations = new Registrations(() => this.#ring(), {
      graceMs: options.registrationGraceMs,
      memory: options.registrationMemory,
      groupOf,
    });
    this.#health = this.#newHealth();
    this.#views = new ServedViews(translateView);
    this.#problemLog = new ProblemLog(log);
    this.#answers = new Answers({
      ready: () => this.#meshGeneration > 0,
      generation: () => this.#store.current,
      history: () => this.#store.history,
      mesh: () => this.#mesh,
      meshFailure: () => this.#meshFailure,
      registered: () => this.#registered,
      proxies: this.#proxies,
      views: this.#views,
      held: this.#held,
      heldBack: () => this.#xds.heldBack(),
    });
    this.state = this.#answers;
    this.metrics = createMetrics({
      generation: () => this.#store.current.id,
      resourcesByKind: () => this.#answers.resourceCounts(),
      problemCounts: () => this.#answers.problemCounts(),
      connectedProxies: () => this.#proxies.size,
      distinctViews: () => this.#views.size,
      registeredWorkloads: () => this.#answers.registeredCounts(),
      builtResources: () => builtResources(),
      heldBack: () => countHeld(this.#xds.heldBack()),
      xds: () => this.#xds.stats(),
    });
    this.#xds = createXdsServer({
      cache: this.#cache,
      groupOf: (node, { variant }) => groupOf(proxyOf(node, variant)),
      // Not on demand: a proxy that takes virtual hosts one by one is given all of them.
      types: [{ typeUrl: VIRTUAL_HOST, wildcard: true }],
      unknownNamed: 'empty',
      identifier,
      ...(checks && {
        authenticate: checks.authenticate,
        authorize: (identity, node) => checks.authorize(identity, proxyOf(node)),
      }),
      healthChecks: {
        onNode: (stream, node) => this.#health.open(stream, proxyOf(node)),
        onReport: (stream, endpoints) =>
          this.#health.report(stream, proxyOf(stream.node!), endpoints),
        onClosed: (stream) => this.#health.close(stream, proxyOf(stream.node!)),
      },
      callbacks: {
        onNode: (stream, node) => this.#onNode(stream, node),
        onStreamClosed: (stream) => this.#onStreamClosed(stream),
        onRequest: (stream, typeUrl) => this.#onRequest(stream, typeUrl),
        onResponse: (_stream, typeUrl, sent) => {
          const type = typeLabel(typeUrl);
          this.metrics.pushes.inc({ type });
          this.metrics.pushedResources.inc({ type }, sent.resources);
          this.metrics.pushedBytes.inc({ type }, sent.bytes);
        },
        onAck: (stream, typeUrl) => this.#onAck(stream, typeUrl),
        onNack: (stream, typeUrl, nack) => this.#onNack(stream, typeUrl as TypeUrl, nack),
        onHealthInformation: (stream, error) => {
          const proxy = stream.node && proxyOf(stream.node, stream.variant);
          if (proxy?.healthFrom !== 'agent') return;
          this.#registrations.tell(proxy, error === undefined, error ?? '');
        },
        substitutes: (refused) => this.#substitutes(refused),
        onHeldBack: (held) => this.#onHeldBack(held),
        onReleased: (held, reason) => this.#onReleased(held, reason),
      },
    });
  }

  /**
   * Reads the source and builds the first state, so that the first answer to an Envoy is complete. Rejects when
   * there is no source, or no mesh can be made of it: an empty one would empty every Envoy that reconnects.
   */
  async start(): Promise<void> {
    await this.#source.start();
    this.#source.onChange(() => this.#ring());
    const first = this.#turn();
    this.#turning = first.catch(() => undefined);
    try {
      await first;
    } finally {
      this.#turning = undefined;
    }
    if (this.#dirty) this.#ring();
  }

  /** Opens an xDS address and gives the bound one. May be called for several. */
  async listen(address: ListenAddress): Promise<{ host: string; port: number } | { path: string }> {
    return this.#xds.listen(address);
  }

  /** The groups that a snapshot is kept for: one for each connected proxy. For tests of what is left behind. */
  openGroups(): readonly string[] {
    return [...this.#cache.groups()];
  }

  /** Stops watching and ends the streams in order, within a few seconds. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#registrations.close();
    this.#health.stop();
    const [closed] = await Promise.allSettled([this.#source.close(), this.#xds.close()]);
    await this.#turning;
    if (closed.status === 'rejected') throw closed.reason;
  }

  #ring(): void {
    this.#dirty = true;
    if (this.#turning !== undefined || this.#stopped) return;
    this.#turning = this.#turn()
      .catch((thrown) => {
        this.#log.error({ error: errorMessage(thrown), stack: stackOf(thrown) }, 'turn failed');
        setTimeout(() => this.#ring(), RETRY_MS).unref();
      })
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
    if (accepted.resourcesChanged) this.#health.update();
    const changed = this.#register(accepted) || accepted.resourcesChanged;
    if (changed && this.#buildMesh(accepted)) {
      await this.#serveAll();
      this.#logGeneration(accepted, performance.now() - startMs);
    }
    if (!changed && !accepted.problemsChanged) return;
    // Looking for problems takes a while in a large mesh: what was just handed to the streams goes out first.
    if (this.#store.current.id > 1) this.#tidySoon();
    else {
      this.#problemLog.note(this.#answers.configProblems());
      this.#answers.noteConditions();
    }
  }

  /** Whether sidecars that register themselves change the mesh. */
  #register({ generation }: Acceptance): boolean {
    const before = this.#registered;
    const now = registeredWorkloads(this.#registrations.list(), generation);
    this.#registered = now;
    for (const [key, proxy] of now.owners) {
      if (!before.owners.has(key)) this.#log.info({ workload: key, proxy }, 'registered');
    }
    for (const [key, proxy] of before.owners) {
      if (!now.owners.has(key)) this.#log.info({ workload: key, proxy }, 'registered no more');
    }
    this.#logHealth(before, now);
    return sameOr(before.entries, now.entries) !== before.entries;
  }

  #logHealth(before: RegisteredWorkloads, now: RegisteredWorkloads): void {
    for (const [workload, health] of now.health) {
      if (health === undefined || health.healthy === before.health.get(workload)?.healthy) continue;
      const proxy = now.owners.get(workload);
      const { message } = health;
      if (health.healthy) this.#log.info({ workload, proxy }, 'healthy');
      else this.#log.warn({ workload, proxy, message }, 'unhealthy; it is not called');
    }
  }

  #newHealth(): WorkloadHealth {
    return new WorkloadHealth({
      probeOf: (proxy) => {
        if (proxy.healthFrom !== 'envoy' || proxy.workloadGroup === '') return undefined;
        const group = workloadGroupOf(this.#store.current, proxy);
        return group && probeOf(group, proxy);
      },
      known: (proxy) => this.#registrations.known(proxy),
      isServed: (proxy) =>
        this.#registered.owners.get(`${proxy.namespace}/${registeredName(proxy)}`) === proxy.id,
      tell: (proxy, healthy, message) => this.#registrations.tell(proxy, healthy, message),
      now: Date.now,
      later: (ms, job) => {
        const timer = setTimeout(job, ms).unref();
        return () => clearTimeout(timer);
      },
      newcomersFromMs: Date.now() + RETURN_MS,
    });
  }

  /** A bug of ours here must not stop the reports of what users can mend: the mesh of before stays, and that is said. */
  #buildMesh({ generation }: Acceptance): boolean {
    try {
      this.#mesh = buildMesh(withRegistered(generation, this.#registered), this.#mesh);
      this.#meshGeneration = generation.id;
      this.#meshFailure = undefined;
      return true;
    } catch (thrown) {
      if (this.#meshGeneration === 0) throw thrown;
      this.#meshFailure = thrown;
      this.metrics.translationFailures.inc();
      this.#log.error(
        { generation: generation.id, error: errorMessage(thrown), stack: stackOf(thrown) },
        'the mesh could not be built; what was in force before stays',
      );
      return false;
    }
  }

  async #serveAll(): Promise<void> {
    const slice = new Slice();
    for (const connected of [...this.#proxies.values()]) {
      if (this.#stopped) return;
      if (!this.#proxies.has(connected.group)) continue;
      this.#serve(connected);
      if (slice.isOver()) await slice.end();
    }
    this.#forgetViews();
  }

  #serve(connected: ConnectedProxy): void {
    const { key, served, failure, renewed } = this.#views.serve(this.#mesh, connected.proxy);
    const failedBefore = connected.failure !== undefined;
    connected.viewKey = key ?? connected.viewKey;
    connected.failure = failure;
    if (failure !== undefined) {
      // A view that is new may have no result of its own: the proxy then keeps what it has, never nothing.
      connected.served ??= served;
      if (renewed) this.#noteFailure(connected, failure);
    } else {
      connected.served = served;
      if (failedBefore) this.#log.info({ proxy: connected.proxy.id }, 'translation works again');
    }
    // Without any good result the stream stays silent, and an Envoy that was configured before is left as it is.
    if (connected.served) this.#cache.set(connected.group, connected.served.snapshot);
    const said = served?.translation;
    // A proxy more may be the first that a patch is for.
    if (renewed && said && (said.problems.length > 0 || said.patches)) this.#tidySoon();
  }

  #noteFailure(connected: ConnectedProxy, failure: unknown): void {
    this.metrics.translationFailures.inc();
    this.#log.error(
      {
        proxy: connected.proxy.id,
        view: connected.viewKey,
        error: errorMessage(failure),
        stack: stackOf(failure),
      },
      'translation failed; the last good configuration stays in force',
    );
  }

  #forgetViews(): void {
    this.#views.keepOnly(new Set([...this.#proxies.values()].map(({ viewKey }) => viewKey)));
  }

  /** Once for all that come or go together: each look goes over all proxies. */
  #tidySoon(): void {
    if (this.#tidying) return;
    this.#tidying = true;
    setTimeout(() => {
      this.#tidying = false;
      this.#tidy().catch((thrown) => {
        this.#log.error({ error: errorMessage(thrown), stack: stackOf(thrown) }, 'no findings');
      });
    }, TIDY_MS).unref();
  }

  async #tidy(): Promise<void> {
    if (this.#stopped) return;
    this.#forgetViews();
    const slice = new Slice();
    let mesh: Mesh | undefined;
    // Edits that never cease must not keep findings from being told.
    for (let tries = 0; mesh !== this.#mesh && tries < TIDY_TRIES; tries++) {
      mesh = this.#mesh;
      for (const _ of analysisSteps(mesh)) {
        if (slice.isOver()) await slice.end();
        if (this.#stopped) return;
        if (mesh !== this.#mesh) break;
      }
    }
    this.#problemLog.note(this.#answers.configProblems());
    this.#answers.noteConditions();
  }

  /** Notes the proxy now and translates for it in a turn of its own: a fleet may come at once. */
  #onNode(stream: XdsStream, node: XdsNode): Promise<void> {
    const proxy = proxyOf(node, stream.variant);
    const group = groupOf(proxy);
    let connected = this.#proxies.get(group);
    if (connected === undefined) {
      connected = { group, proxy, streams: new Map(), viewKey: '', served: undefined };
      this.#proxies.set(group, connected);
      this.#log.info({ proxy: proxy.id, peer: stream.peer, variant: stream.variant }, 'connected');
    }
    connected.streams.set(stream, new Map());
    this.#registrations.join(connected, this.#verifies);
    this.#health.renew(proxy);
    return new Promise((resolve) => {
      this.#newcomers.push(async (slice) => {
        // It may go while it waits, and its group with it.
        const isThere = () => this.#proxies.get(group) === connected;
        if (isThere()) await this.#prepare(connected, slice);
        if (isThere()) this.#serve(connected);
        resolve();
      });
      void this.#welcome();
    });
  }

  /** One after the other: what the first needs is mostly what all the others need. */
  async #welcome(): Promise<void> {
    if (this.#welcoming) return;
    this.#welcoming = true;
    const slice = new Slice();
    await slice.end();
    for (let next = this.#newcomers.shift(); next; next = this.#newcomers.shift()) {
      await next(slice);
      if (slice.isOver()) await slice.end();
    }
    this.#welcoming = false;
  }

  /** Makes what the proxy is served, as far as it is new, in slices of the event loop. */
  async #prepare({ proxy }: ConnectedProxy, slice: Slice): Promise<void> {
    for (let mesh: Mesh | undefined; mesh !== this.#mesh; ) {
      mesh = this.#mesh;
      for (const _ of this.#views.prepare(mesh, proxy)) {
        if (slice.isOver()) await slice.end();
        if (this.#stopped || mesh !== this.#mesh) break;
      }
      if (this.#stopped) return;
    }
  }

  /** A sidecar that registers itself is called when it holds all listeners and routes that it asked for. */
  #onRequest(stream: XdsStream, typeUrl: string): void {
    if (typeUrl !== LISTENER && typeUrl !== ROUTE) return;
    const connected = this.#connectedOf(stream);
    if (connected === undefined || !this.#registrations.isArriving(connected)) return;
    const asked = stream
      .resources()
      .filter((resource) => resource.typeUrl === LISTENER || resource.typeUrl === ROUTE);
    const listens = asked.some((resource) => resource.typeUrl === LISTENER);
    // What was refused is not waited for.
    const isHeld = ({ state }: { state: string }) => state === 'SYNCED' || state === 'ERROR';
    if (listens && asked.every(isHeld)) this.#registrations.ready(connected);
  }

  #onStreamClosed(stream: XdsStream): void {
    const connected = this.#connectedOf(stream);
    if (connected === undefined || !connected.streams.delete(stream)) return;
    if (connected.streams.size > 0) return;
    this.#proxies.delete(connected.group);
    this.#registrations.leave(connected);
    this.#cache.clear(connected.group);
    this.#tidySoon();
    this.#log.info({ proxy: connected.proxy.id }, 'disconnected');
  }

  #connectedOf(stream: XdsStream): ConnectedProxy | undefined {
    return stream.node && this.#proxies.get(groupOf(proxyOf(stream.node, stream.variant)));
  }

  #onAck(stream: XdsStream, typeUrl: string): void {
    this.metrics.acks.inc({ type: typeLabel(typeUrl) });
    const connected = this.#connectedOf(stream);
    if (!connected?.streams.get(stream)?.delete(typeUrl)) return;
    const type = typeLabel(typeUrl);
    this.#log.info({ proxy: connected.proxy.id, type }, 'mended: the proxy accepts it again');
  }

  #onNack(stream: XdsStream, typeUrl: TypeUrl, nack: NackEvent): void {
    const type = typeLabel(typeUrl);
    this.metrics.nacks.inc({ type });
    // What is found to be at fault is said when it is held back.
    if (nack.searching) return;
    const connected = this.#connectedOf(stream);
    const { message, resourceNames: resources } = nack;
    const generation = this.#store.current;
    const ids = connected?.served
      ? causesOfRefusal(connected.served, typeUrl, { ...nack, generation })
      : [];
    const causes = ids.map((id) => locateResource(id, generation));
    const noted: Nack = { message, timeMs: Date.now(), resources, causes };
    connected?.streams.get(stream)?.set(typeUrl, noted);
    this.#log.error(
      { proxy: stream.node?.id, type, resources, causes, message },
      'a proxy refused its configuration; its last good one stays in force there',
    );
  }

  #substitutes(refused: RefusedResource): readonly EncodedResource[] {
    const served = this.#servedTo(refused.node);
    return served === undefined ? [] : withoutPatch(served, refused);
  }

  #servedTo(id: string | undefined): ServedView | undefined {
    return [...this.#proxies.values()].find(({ proxy }) => proxy.id === id)?.served;
  }

  #onHeldBack(held: HeldBack): void {
    const { typeUrl, name, client, refusedBy, everywhere, message } = held;
    const causes = this.#held.note(held, this.#servedTo(refusedBy[0]), this.#store.current);
    const type = typeLabel(typeUrl);
    this.#log.error(
      { type, resource: name, client, proxies: refusedBy, everywhere, causes, message },
      `a proxy refused a resource; it is held back until it changes, ${insteadOf(held)}`,
    );
  }

  #onReleased(held: HeldBack, reason: ReleaseReason): void {
    this.#held.forget(held);
    const { typeUrl, name, client } = held;
    this.#log.info(
      { type: typeLabel(typeUrl), resource: name, client, reason },
      'a resource that was refused is held back no more',
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
}

/** At most a few keys, so that the first read of a large mesh is one line of the log. */
function brief(keys: readonly string[]): readonly string[] | string {
  return keys.length <= 10 ? keys : `${keys.length} resources`;
}

/** The type as a metric's label: types of which a client made up the name are one. */
function typeLabel(typeUrl: string): string {
  return shortTypeName(typeUrl) ?? 'other';
}

function countHeld(held: readonly HeldBack[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { typeUrl } of held)
    counts[typeLabel(typeUrl)] = (counts[typeLabel(typeUrl)] ?? 0) + 1;
  return counts;
}

function builtResources(): Record<string, number> {
  const counts = [...encodeCounters.encodingsByType];
  return Object.fromEntries(counts.map(([typeUrl, count]) => [typeLabel(typeUrl), count]));
}

function stackOf(thrown: unknown): string | undefined {
  return thrown instanceof Error ? thrown.stack : undefined;
}

/** The proxy of a node; parsed once. */
const proxyOf = memoize((node: XdsNode, variant?: Variant): Proxy => {
  const { region, zone, subZone } = node.locality;
  const locality = { region, zone, sub_zone: subZone };
  const { id, cluster, metadata, userAgentVersion: version } = node;
  const proxy = parseProxy({ id, cluster, metadata, locality, version });
  // Envoy refuses routes with VHDS over state-of-the-world (xds-protocol 43).
  return variant === 'sotw' ? { ...proxy, virtualHostDiscovery: false } : proxy;
});

/** Streams of Envoys that describe themselves alike are one group; two with one id but other labels are two. */
const groupOf = memoize((proxy: Proxy): string => JSON.stringify(proxy));
