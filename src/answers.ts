// The answers to the questions of status/state.ts, computed from what the control plane holds at the moment of
// asking. Reads only; nothing here changes what is served.
import { toConfiguration } from './configuration.js';
import type { Problem } from './kinds/problem.js';
import { errorMessage } from './lib/error.js';
import { analyzeMesh } from './mesh/analyze.js';
import type { Mesh } from './mesh/build-mesh.js';
import type { ServedViews } from './served-views.js';
import { locateProblem, locateResource, sortProblems } from './status/problems.js';
import { type ConnectedProxy, findProxy, proxyStatus } from './status/proxies.js';
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

/** What the answers are read from. */
export interface AnswerSources {
  generation(): Generation;
  history(): readonly GenerationRecord[];
  mesh(): Mesh;
  proxies: ReadonlyMap<string, ConnectedProxy>;
  views: ServedViews;
}

export class Answers implements ControlPlaneState {
  readonly #from: AnswerSources;
  #analysis: { mesh: Mesh; findings: readonly Problem[] } | undefined;

  constructor(from: AnswerSources) {
    this.#from = from;
  }

  ready(): boolean {
    return this.#from.generation().id > 0;
  }

  resources(filter: ResourceFilter): ResourceStatus[] {
    const generation = this.#from.generation();
    const wanted = (value: string, filtered?: string) =>
      filtered === undefined || value === filtered;
    return [...generation.resources.values()]
      .filter(
        (resource) =>
          wanted(resource.kind, filter.kind) &&
          wanted(resource.namespace, filter.namespace) &&
          wanted(resource.name, filter.name),
      )
      .map((resource) => ({
        apiVersion: resource.apiVersion,
        ...locateResource(resource, generation),
        labels: resource.labels,
        spec: resource.spec,
      }));
  }

  problems(): ProblemStatus[] {
    const generation = this.#from.generation();
    const mesh = this.#from.mesh();
    const found = [...generation.problems, ...mesh.problems, ...this.#findings(mesh)];
    return sortProblems([
      ...distinct(found.map((problem) => locateProblem(problem, generation))),
      ...this.#proxyProblems(generation),
    ]);
  }

  proxies(): ProxyStatus[] {
    return [...this.#from.proxies.values()]
      .map(proxyStatus)
      .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  }

  proxy(id: string): ProxyStatus | undefined {
    const found = findProxy(this.#from.proxies.values(), id);
    return found && proxyStatus(found);
  }

  proxyConfiguration(id: string): ProxyConfiguration | undefined {
    const found = findProxy(this.#from.proxies.values(), id);
    const served = found && this.#from.views.get(found.viewKey);
    return served && toConfiguration(served.translation.resources);
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

  problemCounts(): { code: string; severity: string; count: number }[] {
    const counts = new Map<string, { code: string; severity: string; count: number }>();
    for (const { code, severity } of this.problems()) {
      const known = counts.get(`${code}/${severity}`);
      if (known) known.count++;
      else counts.set(`${code}/${severity}`, { code, severity, count: 1 });
    }
    return [...counts.values()];
  }

  // Looked at only when somebody asks: an edit must not wait for it.
  #findings(mesh: Mesh): readonly Problem[] {
    if (this.#analysis?.mesh !== mesh) this.#analysis = { mesh, findings: analyzeMesh(mesh) };
    return this.#analysis.findings;
  }

  #proxyProblems(generation: Generation): ProblemStatus[] {
    const problems: ProblemStatus[] = [];
    for (const { view, translation, failure } of this.#from.views.values()) {
      problems.push(...translation.problems.map((problem) => locateProblem(problem, generation)));
      if (failure === undefined) continue;
      const message = `view ${view.key}: ${errorMessage(failure)}`;
      problems.push({ code: 'translation-failed', severity: 'error', message });
    }
    for (const { proxy, nacks } of this.#from.proxies.values()) {
      for (const { message, causes } of nacks.values()) {
        const refused = { code: 'nack', severity: 'error', message, proxy: proxy.id } as const;
        if (causes.length === 0) problems.push(refused);
        for (const { position, ...resource } of causes) {
          problems.push({ ...refused, resource, ...(position && { position }) });
        }
      }
    }
    return distinct(problems);
  }
}

/** Several views find the same thing; it is said once. */
function distinct(problems: readonly ProblemStatus[]): ProblemStatus[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
}
