// The WorkloadEntry that a connected sidecar belongs to: the one of its namespace with its address. Its labels are the
// sidecar's too, so that rules which select workloads or ask about callers find it.

import { memoize } from '../lib/memo.js';
import { hasLabels } from './has-labels.js';
import type { Mesh } from './mesh.js';
import type { Proxy as ConnectedProxy } from './proxy.js';
import { workloadIndex, workloadLabels } from './workload-index.js';

/** The proxy with the labels of its WorkloadEntry, which win (Istio, Proxy.SetWorkloadLabels); the same object for the same. */
export function asWorkload(mesh: Mesh, proxy: ConnectedProxy): ConnectedProxy {
  const entries = mesh.parts.sourcesByNamespace.workloads.get(proxy.namespace);
  if (entries === undefined) return proxy;
  const { byAddress } = workloadIndex(entries);
  const entry = proxy.ips.map((ip) => byAddress.get(ip)).find(Boolean);
  if (entry === undefined) return proxy;
  const labels = workloadLabels(entry);
  return hasLabels(proxy.labels, labels) ? proxy : withLabels(proxy, labels);
}

const withLabels = memoize(
  (proxy: ConnectedProxy, labels: Readonly<Record<string, string>>): ConnectedProxy => ({
    ...proxy,
    labels: { ...proxy.labels, ...labels },
  }),
);
