// The Secrets and ConfigMaps that Gateways of the Gateway API refer to, in whatever namespace. Whether they may was
// decided when the listener was (listener-tls.ts): what is not granted has no name in TLS settings.
import type { Resource } from '../../kinds/resource.js';
import { memoize } from '../../lib/memo.js';
import type { Gateway } from '../gateway.js';
import { find, type GatewayApiInput } from './resources.js';

/** What is referred to, and the name it has in `credentialName`; sorted by name. */
export function grantedSecrets(
  { secrets, configMaps }: GatewayApiInput,
  gateways: readonly Gateway[],
): { name: string; resource: Resource }[] {
  return namesIn(gateways).flatMap((name) => {
    const [scheme = '', rest = ''] = name.split('://');
    const [namespace = '', own = ''] = rest.split('/');
    const resource = find(scheme === 'configmap' ? configMaps : secrets, namespace, own);
    return resource === undefined ? [] : [{ name, resource }];
  });
}

const namesIn = memoize((gateways: readonly Gateway[]): readonly string[] => {
  const names = gateways
    .filter(({ source }) => source.kind !== 'Gateway')
    .flatMap(({ servers }) =>
      servers.flatMap(({ tls }) => [
        tls?.credentialName ?? '',
        tls?.caCertCredentialName ?? '',
        ...(tls?.credentialNames ?? []),
      ]),
    )
    .filter((name) => name.includes('://'));
  return [...new Set(names)].sort();
});
