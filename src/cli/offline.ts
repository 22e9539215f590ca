// Working on a directory without a server: read once, accept, build the mesh, translate for a proxy that is only
// described. What `analyze`, `translate` and `proxy-config --config` stand on.
import { statSync } from 'node:fs';
import { toConfiguration } from '../configuration.js';
import type { Problem } from '../kinds/problem.js';
import { ControlPlaneError } from '../lib/error.js';
import { analyzeMesh } from '../mesh/analyze.js';
import { buildMesh, type Mesh } from '../mesh/build-mesh.js';
import { parseProxy } from '../mesh/parse-proxy.js';
import type { ProxyNode } from '../mesh/proxy.js';
import { viewOf } from '../mesh/view.js';
import { collectProblems } from '../status/problems.js';
import type { ProblemStatus, ProxyConfiguration } from '../status/state.js';
import type { Generation } from '../store/generation.js';
import { Store } from '../store/store.js';
import { gatewayPlan } from '../translate/gateway-plan.js';
import { type Translation, translate } from '../translate/translate.js';
import { unmatchedPatches } from '../unmatched-patches.js';
import { openSource } from './open-source.js';

export interface OfflineMesh {
  generation: Generation;
  mesh: Mesh;
}

/** Reads the directory once, without watching it. A missing directory is a ControlPlaneError. */
export async function loadOffline(
  directory: string,
  meshConfigFile?: string,
): Promise<OfflineMesh> {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new ControlPlaneError('config-directory', `there is no directory ${directory}`);
  }
  const source = openSource(directory, meshConfigFile);
  try {
    const { generation } = new Store().accept(await source.read(), Date.now());
    return { generation, mesh: buildMesh(generation) };
  } finally {
    await source.close();
  }
}

/** Everything wrong, placed and sorted: the same lines that a server of this directory would give. */
export function offlineProblems(
  { generation, mesh }: OfflineMesh,
  translated: readonly Problem[] = [],
): ProblemStatus[] {
  const stages = [generation.problems, mesh.problems, analyzeMesh(mesh), translated];
  return collectProblems(stages, generation);
}

/** What an Envoy with this node would be served; among the problems, patches that are for it and match nothing. */
export function offlineTranslation({ mesh }: OfflineMesh, node: ProxyNode): Translation {
  const view = viewOf(mesh, parseProxy(node));
  const translation = translate(view);
  const unmatched = unmatchedPatches(mesh, [{ view, translation }]).filter(
    ({ severity }) => severity === 'warning',
  );
  return { ...translation, problems: [...translation.problems, ...unmatched] };
}

/**
 * Servers of Gateways that cannot stand together, as found at a router with just the labels of a Gateway's selector.
 * Certificates are not asked for: nobody says in which namespace such a router would be.
 */
export function gatewayConflicts({ mesh }: OfflineMesh): Problem[] {
  const routers = new Map<string, ProxyNode>();
  for (const { source, selector } of mesh.gateways) {
    const namespace = selector.namespace ?? source.namespace;
    const metadata = { NAMESPACE: namespace, LABELS: selector.labels };
    const id = `router~127.0.0.1~analyze.${namespace}~${namespace}.svc.cluster.local`;
    const sorted = Object.entries(selector.labels).sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify([selector.namespace, sorted]);
    if (!routers.has(key)) routers.set(key, { id, cluster: 'analyze', metadata });
  }
  return [...routers.values()].flatMap((node) =>
    gatewayPlan(viewOf(mesh, parseProxy(node))).problems.filter(
      ({ code }) => code !== 'invalid-credential',
    ),
  );
}

/** The same as canonical protobuf JSON. */
export function offlineConfiguration(offline: OfflineMesh, node: ProxyNode): ProxyConfiguration {
  return toConfiguration(offlineTranslation(offline, node).resources);
}
