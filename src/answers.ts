// The answers to the questions of status/state.ts, computed from what the control plane holds at the moment of
// asking. Reads only; nothing here changes what is served.
import { toConfiguration } from './configuration.js';
import { gatewayServers } from './gateway-status.js';
import type { HeldBackResources } from './held-back.js';
import { type Problem, resourceKey } from './kinds/problem.js';
import type { Resource } from './kinds/resource.js';
import { asWritten, shownAnnotations } from './kinds/written.js';
import { errorMessage } from './lib/error.js';
import { Keep } from './lib/keep.js';
import { memoize } from './lib/memo.js';
import { analyzeMesh } from './mesh/analyze.js';
import type { Mesh } from './mesh/build-mesh.js';
import { type RouterFacts, statusOf } from './mesh/gateway-api/status.js';
import type { Health, RegisteredWorkloads } from './mesh/workload-group.js';
import { routerFacts } from './router-facts.js';
import type { ServedViews } from './served-views.js';
import { ConditionTimes } from './status/condition-times.js';
import type { RegisteredHealth } from './status/metrics.js';
import {
  collectProblems,
  distinctProblems,
  locateProblem,
  locateResource,
  sortProblems,
} from './status/problems.js';
import { type ConnectedProxy, findProxy, type HeldCauses, proxyStatus } from './status/proxies.js';
import type {
  ControlPlaneState,
  GenerationStatus,
  ProblemStatus,
  ProxyConfiguration,
  ProxyStatus,
  ResourceFilter,
  ResourceStatus,
} from './status/state.js';
import type { Generation, GenerationRecord } from './store/generation.js';
import { unmatchedPatches } from './unmatched-patches.js';
import type { HeldBack } from './xds/quarantine.js';

/** What the answers are read from. */
export interface AnswerSources {
  /** Whether a first mesh was built. */
  ready(): boolean;
  generation(): Generation;
  history(): readonly GenerationRecord[];
  mesh(): Mesh;
  /** Why the mesh of the present generation could not be built; undefined while all is well. */
  meshFailure(): unknown;
  /** The WorkloadEntries that sidecars are, besides those of the generation. */
  registered(): RegisteredWorkloads;
  proxies: ReadonlyMap<string, ConnectedProxy>;
  views: ServedViews;
  /** What is behind the resources that are held back, and which ones those are now. */
  held: HeldBackResources;
  heldBack(): readonly HeldBack[];
}

export class Answers implements ControlPlaneState {
  readonly #from: AnswerSources;
  readonly #times = new ConditionTimes();
  readonly #unmatched = new Keep<readonly Problem[]>();

  constructor(from: AnswerSources) {
    this.#from = from;
  }

  ready(): boolean {
    return this.#from.ready();
  }

  resources(filter: ResourceFilter): ResourceStatus[] {
    const generation = this.#from.generation();
    const wanted = (value: string, filtered?: string) =>
      filtered === undefined || value === filtered;
    const { entries, owners, health } = this.#from.registered();
    const facts = routerFacts(this.#from.proxies.values());
    return [...generation.resources.values(), ...entries]
      .filter(
        (resource) =>
          wanted(resource.kind, filter.kind) &&
          wanted(resource.namespace, filter.namespace) &&
          wanted(resource.name, filter.name),
      )
      .map((resource) => {
        const proxy = entries.includes(resource as never)
          ? owners.get(`${resource.namespace}/${resource.name}`)
          : undefined;
        const key = `${resource.namespace}/${resource.name}`;
        const status =
          proxy !== undefined && health.has(key)
            ? { conditions: [healthCondition(health.get(key))] }
            : this.#statusOf(resource, facts);
        return {
          apiVersion: resource.apiVersion,
          ...locateResource(resource, generation),
          labels: resource.labels,
          annotations: shownAnnotations(resource),
          ...(resource.generation !== undefined && { generation: resource.generation }),
          ...(resource.age.timestampMs !== undefined && {
            creationTimestampMs: resource.age.timestampMs,
          }),
          spec: asWritten(resource.kind, resource.spec),
          ...(status && { status }),
          ...(proxy !== undefined && { registeredBy: proxy }),
        };
      });
  }

  #statusOf(resource: Resource, facts: RouterFacts): object | undefined {
    if (resource.kind === 'Gateway') return this.#serversOf(resource);
    const status = statusOf(this.#from.mesh().gatewayApi, resource, facts);
    return status && this.#times.stamp(resourceKey(resource), status, Date.now());
  }

  /** The servers of Istio's Gateway. */
  #serversOf({ namespace, name }: Resource): object | undefined {
    const gateway = this.#from
      .mesh()
      .gateways.find(
        ({ source }) =>
          source.kind === 'Gateway' && source.namespace === namespace && source.name === name,
      );
    return gateway && { servers: gatewayServers(gateway, this.#from.proxies.values()) };
  }

  /** Notes conditions that changed, so that their times are those of the change and not of the next question. */
  noteConditions(): void {
    const { input } = this.#from.mesh().gatewayApi;
    const facts = routerFacts(this.#from.proxies.values());
    const all = [
      ...input.classes,
      ...input.gateways,
      ...input.httpRoutes,
      ...input.grpcRoutes,
      ...input.tlsRoutes,
      ...input.tcpRoutes,
      ...input.backendTlsPolicies,
    ];
    for (const resource of all) this.#statusOf(resource, facts);
    this.#times.keepOnly(new Set(all.map(resourceKey)));
  }

  problems(): ProblemStatus[] {
    const held = this.#from.held.problems(this.#from.heldBack(), this.#from.generation());
    return sortProblems([...this.configProblems(), ...this.#proxyProblems(), ...held]);
  }

  /** What is wrong with what users wrote; without what went wrong between us and single proxies. */
  configProblems(): readonly ProblemStatus[] {
    const [mesh, views] = [this.#from.mesh(), this.#from.views.values()];
    const translated = views.map(({ translation }) => translation.problems);
    const unmatched = this.#unmatched.equal(unmatchedPatches(mesh, views));
    const some = [...translated, unmatched].filter((problems) => problems.length > 0);
    const generation = this.#from.generation();
    const unregistered = this.#from
      .registered()
      .problems.map(({ proxy, problem }) => ({ ...locateProblem(problem, generation), proxy }));
    return [...placedProblems(generation, mesh, ...some), ...unregistered];
  }

  proxies(): ProxyStatus[] {
    return [...this.#from.proxies.values()]
      .map((connected) => proxyStatus(connected, this.#heldCauses))
      .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  }

  proxy(id: string): ProxyStatus | undefined {
    const found = findProxy(this.#from.proxies.values(), id);
    return found && proxyStatus(found, this.#heldCauses);
  }

  readonly #heldCauses: HeldCauses = (held) =>
    this.#from.held.causes(held, this.#from.generation());

  proxyConfiguration(id: string): ProxyConfiguration | undefined {
    const found = findProxy(this.#from.proxies.values(), id);
    return found && toConfiguration(found.served?.translation.resources ?? new Map());
  }

  generations(): GenerationStatus[] {
    return [...this.#from.history()];
  }

  resourceCounts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { kind } of this.#from.generation().resources.values()) {
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    return counts;
  }

  /** Sidecars that are registered, by how they are. */
  registeredCounts(): Record<RegisteredHealth, number> {
    const { owners, health } = this.#from.registered();
    const counts = { healthy: 0, unhealthy: 0, unknown: 0, unprobed: owners.size - health.size };
    for (const found of health.values()) {
      counts[found === undefined ? 'unknown' : found.healthy ? 'healthy' : 'unhealthy']++;
    }
    return counts;
  }

  problemCounts(): { code: string; severity: string; count: number }[] {
    const counts = new Map<string, { code: string; severity: string; count: number }>();
    for (const { code, severity } of this.problems()) {
      const known = counts.get(`${code}/${severity}`);
      if (known) known.count++;
      else counts.set(`${code}/${severity}`, { code, severity, count: 1 });
    }
    return [...counts.values()];
  }

  #proxyProblems(): ProblemStatus[] {
    const problems: ProblemStatus[] = [];
    const meshFailure = this.#from.meshFailure();
    if (meshFailure !== undefined) {
      const what = 'the mesh could not be built; what was in force before stays';
      problems.push(ourBug(`${what}: ${errorMessage(meshFailure)}`));
    }
    const failing = [...this.#from.proxies.values()].filter(({ failure }) => failure !== undefined);
    for (const [text, proxies] of groupBy(failing, ({ failure }) => errorMessage(failure))) {
      const names = proxies.map(({ proxy }) => `${proxy.name}.${proxy.namespace}`).sort();
      const others = names.length > 1 ? ` and ${names.length - 1} more` : '';
      problems.push(ourBug(`${names[0]}${others}: ${text}`));
    }
    for (const { proxy, streams } of this.#from.proxies.values()) {
      for (const { message, causes } of [...streams.values()].flatMap((n) => [...n.values()])) {
        const refused = { code: 'nack', severity: 'error', message, proxy: proxy.id } as const;
        if (causes.length === 0) problems.push(refused);
        for (const { position, ...resource } of causes) {
          problems.push({ ...refused, resource, ...(position && { position }) });
        }
      }
    }
    return distinctProblems(problems);
  }
}

/** The condition that Istio writes into the status of a WorkloadEntry. */
function healthCondition(health: Health | undefined) {
  if (health === undefined) {
    const message = 'its probe has not succeeded yet';
    return { type: 'Healthy', status: 'Unknown', message };
  }
  const { healthy, sinceMs, message } = health;
  return {
    type: 'Healthy',
    status: healthy ? 'True' : 'False',
    lastTransitionTime: new Date(sinceMs).toISOString(),
    ...(message && { message }),
  };
}

// Placing a problem parses its document again, and every scrape of the metrics asks: once for each state is enough.
const placedProblems = memoize(
  (generation: Generation, mesh: Mesh, ...translated: readonly (readonly Problem[])[]) =>
    collectProblems(
      [generation.problems, mesh.problems, findingsOf(mesh), ...translated],
      generation,
    ) as readonly ProblemStatus[],
);

// Looked at only when somebody asks: an edit must not wait for it. A bug of ours here must not take the page of
// metrics with it.
const findingsOf = memoize((mesh: Mesh): readonly Problem[] => {
  try {
    return analyzeMesh(mesh);
  } catch (thrown) {
    return [ourBug(`the mesh could not be analysed: ${errorMessage(thrown)}`)];
  }
});

function ourBug(message: string) {
  return { code: 'translation-failed', severity: 'error', message } as const;
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}
