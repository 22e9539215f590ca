// Certificates and keys from Secrets, as proxies may have them. Values stay here and in what is sent by SDS: no
// problem, log or answer shows them.
import type { ConfigMapSpec } from '../kinds/namespace.js';
import type { Resource } from '../kinds/resource.js';
import { type SecretSpec, secretParts } from '../kinds/secret.js';
import { isForQuic } from '../lib/certificate.js';
import { memoize } from '../lib/memo.js';

/** What one Secret holds for TLS; PEM texts. */
export interface SecretMaterial {
  name: string;
  /** `notOverQuic`: Envoy cannot show it to clients of HTTP/3. */
  certificate?: { chain: string; key: string; notOverQuic?: true };
  ca?: string;
  crl?: string;
}

/** The Secrets of one namespace by name; those of others that Gateways may refer to by `credentialName` as a whole. */
export type Secrets = ReadonlyMap<string, SecretMaterial>;

const materialOf = memoize((resource: Resource): SecretMaterial => {
  const { pair, ca, crl } = secretParts(resource.spec as SecretSpec);
  return {
    name: resource.name,
    ...(pair && {
      certificate: {
        ...{ chain: pair.certificate.text, key: pair.key.text },
        ...(!isForQuic(pair.certificate.text) && { notOverQuic: true }),
      },
    }),
    ...(ca && { ca: ca.text }),
    ...(crl && { crl: crl.text }),
  };
});

/** The Secrets of a namespace; the same map for the same resources. */
export const secretsOf = memoize(
  (resources: readonly Resource[]): Secrets =>
    new Map(resources.map((resource) => [resource.name, materialOf(resource)])),
);

const caMaterialOf = memoize((configMap: Resource): SecretMaterial => {
  const ca = (configMap.spec as ConfigMapSpec).data?.['ca.crt'];
  return { name: configMap.name, ...(ca && { ca }) };
});

/**
 * The same with Secrets and ConfigMaps of any namespace by names such as `kubernetes-gateway://NAMESPACE/NAME`; `names`
 * are those of `granted`, one a line.
 */
export const withGranted = memoize(
  (resources: readonly Resource[], names: string, ...granted: readonly Resource[]): Secrets => {
    const all = new Map(secretsOf(resources));
    for (const [i, name] of names.split('\n').entries()) {
      const resource = granted[i]!;
      all.set(name, resource.kind === 'Secret' ? materialOf(resource) : caMaterialOf(resource));
    }
    return all;
  },
);
