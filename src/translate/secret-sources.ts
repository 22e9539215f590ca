// Which user resources name a secret: Gateways, Sidecars and DestinationRules whose TLS asks for it. A look-up, used
// seldom (sources.ts).
import type { ResourceName } from '../envoy/resource.js';
import type { ProxyView } from '../mesh/proxy-view.js';
import type { ResourceId, TrafficPolicy } from '../mesh/rules.js';
import { gatewayPlan } from './gateway-plan.js';
import {
  certificateSecretName,
  credentialRootName,
  credentialSecretName,
  rootSecretName,
} from './names.js';
import { credentialsOf, fileCredentials, secretNames } from './server-credentials.js';

/** The resources whose TLS names the secret; those that serve with it first. */
export function secretSources(view: ProxyView, name: ResourceName): ResourceId[] {
  const { secrets, proxy, inbound, outbound } = view;
  const gateways = gatewayPlan(view).servers.flatMap(({ gateway, server: { tls } }) => {
    const found = tls && credentialsOf(tls, secrets, proxy.meshCertificate);
    return found && !('problem' in found) && secretNames(found).includes(name)
      ? [gateway.source]
      : [];
  });
  const ports = inbound.ports.filter(
    ({ listener }) => listener?.tls && secretNames(fileCredentials(listener.tls)).includes(name),
  );
  const rules = outbound.services.flatMap(({ destinationRule: rule }) =>
    rule && policies(rule).some(({ tls }) => tls && clientNames(tls).includes(name))
      ? rule.sources
      : [],
  );
  return [...gateways, ...ports.map(({ service }) => service.source), ...rules];
}

type Rule = NonNullable<ProxyView['outbound']['services'][number]['destinationRule']>;

function policies({ trafficPolicy, subsets }: Rule): Pick<TrafficPolicy, 'tls'>[] {
  const all = [trafficPolicy, ...subsets.map((subset) => subset.trafficPolicy)];
  return all.flatMap((policy) => (policy ? [policy, ...(policy.portLevelSettings ?? [])] : []));
}

function clientNames(tls: NonNullable<TrafficPolicy['tls']>): string[] {
  const { credentialName, caCertificates, clientCertificate, privateKey } = tls;
  return [
    ...(credentialName
      ? [credentialSecretName(credentialName), credentialRootName(credentialName)]
      : []),
    ...(caCertificates ? [rootSecretName(caCertificates)] : []),
    ...(clientCertificate && privateKey
      ? [certificateSecretName(clientCertificate, privateKey)]
      : []),
  ];
}
