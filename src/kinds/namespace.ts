// Namespace and ConfigMap of Kubernetes' core group, as far as the Gateway API refers to them.
import type { z } from 'zod';
import { noEffect } from './field.js';
import { message } from './schema.js';
import { bool, stringMap, strings } from './values.js';

/** Opening of the page in docs/kinds/. */
export const namespaceDoc = [
  'A Namespace of Kubernetes: its labels are what selectors of Gateways and MeshConfig look at. Namespaces need not be',
  'declared; all have the label `kubernetes.io/metadata.name`. The annotation `networking.istio.io/traffic-distribution`',
  'holds for Services and ServiceEntries of the namespace that say nothing of it themselves.',
].join('\n');

/** The spec of a Namespace. */
export const namespaceSpec = message({
  spec: noEffect(message({ finalizers: strings }), 'Only the API server of Kubernetes acts on it.'),
});

/** Opening of the page in docs/kinds/. */
export const configMapDoc = [
  'A ConfigMap of Kubernetes: CAs for the Gateway API in `ca.crt`. Other ConfigMaps are read and not used; `istio` in',
  '`istio-system` is the MeshConfig.',
].join('\n');

/** The fields of a ConfigMap. */
export const configMapSpec = message({
  data: stringMap.describe('key -> text; only ca.crt is looked at'),
  binaryData: noEffect(stringMap, 'CAs are text.'),
  immutable: noEffect(bool, 'Only the API server of Kubernetes acts on it.'),
});

export type ConfigMapSpec = z.output<typeof configMapSpec>;
