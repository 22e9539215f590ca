// What the Gateway API is made of, and how one resource finds others: grants, Secrets, ConfigMaps, Services, labels of
// namespaces. All are indexes of the accepted resources, made once for each list.
import type { NamespaceChoice } from '../../kinds/gateway-api-values.js';
import type { ConfigMapSpec } from '../../kinds/namespace.js';
import type { ReferenceGrantSpec } from '../../kinds/reference-grant.js';
import type { Resource } from '../../kinds/resource.js';
import { type SecretSpec, secretParts } from '../../kinds/secret.js';
import { certificatesProblem } from '../../lib/certificate.js';
import { memoize } from '../../lib/memo.js';
import type { MeshSettings } from '../mesh-settings.js';
import { namespaceLabels, selectsLabels } from '../namespace-labels.js';
import type { Service } from '../service.js';

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';

/** The accepted resources, each list oldest first. */
export interface GatewayApiInput {
  settings: MeshSettings;
  classes: readonly Resource[];
  gateways: readonly Resource[];
  httpRoutes: readonly Resource[];
  grpcRoutes: readonly Resource[];
  tlsRoutes: readonly Resource[];
  tcpRoutes: readonly Resource[];
  grants: readonly Resource[];
  backendTlsPolicies: readonly Resource[];
  namespaces: readonly Resource[];
  configMaps: readonly Resource[];
  secrets: readonly Resource[];
  services: readonly Resource[];
  /** Hosts of the registry. */
  byHostname: ReadonlyMap<string, readonly Service[]>;
}

/** What Gateways are evaluated from: while these are the same, so is what is found. */
export type GatewayInput = Pick<
  GatewayApiInput,
  'settings' | 'classes' | 'gateways' | 'grants' | 'configMaps' | 'secrets' | 'services'
> & {
  /** `namespace/name` of the Gateways that a route with sessions names, one a line. */
  sessions: string;
};

/** Who refers, or what is referred to. */
export interface ObjectId {
  group: string;
  kind: string;
  namespace: string;
  name: string;
}

const byName = memoize(
  (resources: readonly Resource[]): ReadonlyMap<string, Resource> =>
    new Map(resources.map((resource) => [`${resource.namespace}/${resource.name}`, resource])),
);

/** One of a list, by its name. */
export function find(
  resources: readonly Resource[],
  namespace: string,
  name: string,
): Resource | undefined {
  return byName(resources).get(`${namespace}/${name}`);
}

const grantsTo = memoize((grants: readonly Resource[]) => {
  const byNamespace = new Map<string, ReferenceGrantSpec[]>();
  for (const { namespace, spec } of grants) {
    const list = byNamespace.get(namespace) ?? [];
    byNamespace.set(namespace, [...list, spec as ReferenceGrantSpec]);
  }
  return byNamespace;
});

/** Whether one may refer to the other: within a namespace, or by a ReferenceGrant in that of the other. */
export function mayRefer(grants: readonly Resource[], from: ObjectId, to: ObjectId): boolean {
  if (from.namespace === to.namespace) return true;
  return (grantsTo(grants).get(to.namespace) ?? []).some(
    (grant) =>
      grant.from.some(
        ({ group = '', kind, namespace }) =>
          group === from.group && kind === from.kind && namespace === from.namespace,
      ) &&
      grant.to.some(
        ({ group = '', kind, name = '' }) =>
          group === to.group && kind === to.kind && (name === '' || name === to.name),
      ),
  );
}

/** Whether a namespace is one that a Gateway lets in; `own` is that of the Gateway. */
export function isAllowedNamespace(
  choice: NamespaceChoice | undefined,
  namespace: string,
  { own, namespaces }: { own: string; namespaces: readonly Resource[] },
): boolean {
  switch (choice?.from ?? 'Same') {
    case 'All':
      return true;
    case 'None':
      return false;
    case 'Selector':
      return selectsLabels(choice?.selector, namespaceLabels(namespaces, namespace));
    default:
      return namespace === own;
  }
}

/** Whether a Secret has a certificate with its key. */
export function hasCertificate(secret: Resource): boolean {
  return secretParts(secret.spec as SecretSpec).pair !== undefined;
}

/** The CAs in a ConfigMap or a Secret; undefined when there are none, or none that can be read. */
export const caOf = memoize((resource: Resource): string | undefined => {
  // What Secrets hold has been checked when they were read.
  if (resource.kind === 'Secret') return secretParts(resource.spec as SecretSpec).ca?.text;
  const text = (resource.spec as ConfigMapSpec).data?.['ca.crt'];
  return text !== undefined && certificatesProblem(text) === undefined ? text : undefined;
});
