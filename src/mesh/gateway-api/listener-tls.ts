// TLS of a listener in the mesh's terms: certificates by reference, and what certificates of clients must be. What is
// wrong with a reference refuses the listener, and no other one (Gateway API, Listener ResolvedRefs).
import type { KubernetesGatewaySpec, Listener } from '../../kinds/kubernetes-gateway.js';
import type { FieldPath } from '../../kinds/problem.js';
import type { Resource } from '../../kinds/resource.js';
import type { ServerTls } from '../gateway.js';
import {
  caOf,
  find,
  GATEWAY_GROUP,
  type GatewayInput,
  hasCertificate,
  mayRefer,
} from './resources.js';
import { bad, type Verdict } from './verdict.js';

/** TLS settings, or why there are none. */
export interface ListenerTls {
  tls?: ServerTls;
  /** For ResolvedRefs. */
  refs?: Verdict;
  /** For Accepted. */
  accepted?: Verdict;
}

/** What a Secret or ConfigMap is called in credentialName, as in Istio. */
export function credentialName(kind: string, namespace: string, name: string): string {
  const scheme = kind === 'ConfigMap' ? 'configmap' : 'kubernetes-gateway';
  return `${scheme}://${namespace}/${name}`;
}

const terminateMode = 'gateway.istio.io/tls-terminate-mode';
const cipherSuites = 'gateway.istio.io/tls-cipher-suites';

/** Translates `tls` of a listener of protocol HTTPS or TLS. */
export function listenerTls(
  input: GatewayInput,
  gateway: Resource,
  listener: Listener,
  path: FieldPath,
): ListenerTls {
  const { tls } = listener;
  if (listener.protocol !== 'HTTPS' && listener.protocol !== 'TLS') return {};
  if (tls?.mode === 'Passthrough') return { tls: { mode: 'PASSTHROUGH' } };
  const mode = tls?.options?.[terminateMode];
  if (mode === 'ISTIO_MUTUAL') return { tls: { mode } };
  const certificates = certificatesOf(input, gateway, listener, path);
  if (!Array.isArray(certificates)) return { refs: certificates as Verdict };
  const clients = clientValidation(input, gateway, listener.port);
  if (clients.refs || clients.accepted) return clients;
  const suites = tls?.options?.[cipherSuites];
  return {
    tls: {
      mode: mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL' ? mode : 'SIMPLE',
      ...clients.tls,
      ...(certificates.length === 1
        ? { credentialName: certificates[0]! }
        : { credentialNames: certificates }),
      ...(suites && { cipherSuites: suites.split(',').map((suite) => suite.trim()) }),
    },
  };
}

/** The valid ones of the certificates; a listener is refused only when there are none (Istio). */
function certificatesOf(
  input: GatewayInput,
  gateway: Resource,
  { tls }: Listener,
  path: FieldPath,
): string[] | Verdict {
  const names: string[] = [];
  let wrong: Verdict | undefined;
  const refs = tls?.certificateRefs ?? [];
  const missing = bad('InvalidCertificateRef', 'there is no certificate', [...path, 'tls']);
  if (refs.length > 2) {
    return bad('InvalidCertificateRef', 'a listener has at most two certificates', [
      ...path,
      'tls',
      'certificateRefs',
      2,
    ]);
  }
  for (const [i, ref] of refs.entries()) {
    const { group = '', kind = 'Secret', name, namespace = gateway.namespace } = ref;
    const at = [...path, 'tls', 'certificateRefs', i];
    const from = {
      group: GATEWAY_GROUP,
      kind: 'Gateway',
      namespace: gateway.namespace,
      name: gateway.name,
    };
    if (group !== '' || kind !== 'Secret') {
      wrong ??= bad('InvalidCertificateRef', `a certificate is in a Secret, not in a ${kind}`, at);
      continue;
    }
    // Asked before anything is looked up: without a grant nobody learns whether the Secret exists.
    if (!mayRefer(input.grants, from, { group, kind, namespace, name })) {
      const why = `no ReferenceGrant in ${namespace} lets the Gateway refer to Secret ${name}`;
      wrong ??= bad('RefNotPermitted', why, at);
      continue;
    }
    const secret = find(input.secrets, namespace, name);
    if (secret === undefined || !hasCertificate(secret)) {
      const why =
        secret === undefined
          ? `there is no Secret ${namespace}/${name}`
          : `the Secret ${namespace}/${name} has no certificate with its key`;
      wrong ??= bad('InvalidCertificateRef', why, at);
      continue;
    }
    names.push(credentialName('Secret', namespace, name));
  }
  return names.length > 0 ? names : (wrong ?? missing);
}

/** `tls.frontend` of the Gateway, for a port. */
function clientValidation(input: GatewayInput, gateway: Resource, port: number): ListenerTls {
  const frontend = (gateway.spec as KubernetesGatewaySpec).tls?.frontend;
  const index = (frontend?.perPort ?? []).findIndex((each) => each.port === port);
  const own = index >= 0 ? frontend?.perPort?.[index]?.tls : frontend?.default;
  const validation = own?.validation;
  if (validation === undefined) return {};
  const path =
    index >= 0
      ? ['spec', 'tls', 'frontend', 'perPort', index, 'tls', 'validation']
      : ['spec', 'tls', 'frontend', 'default', 'validation'];
  const at = [...path, 'caCertificateRefs', 0];
  const refused = (reason: string, message: string): ListenerTls => ({
    refs: bad(reason, message, at),
    accepted: bad('NoValidCACertificate', message, at),
  });
  const [ref, ...others] = validation.caCertificateRefs;
  if (ref === undefined || others.length > 0) {
    return refused('InvalidCACertificateRef', 'there must be one caCertificateRef');
  }
  const { group = '', kind, name, namespace = gateway.namespace } = ref;
  if (group !== '' || (kind !== 'ConfigMap' && kind !== 'Secret')) {
    return refused('InvalidCACertificateKind', `CAs are in a ConfigMap, not in a ${kind}`);
  }
  const from = {
    group: GATEWAY_GROUP,
    kind: 'Gateway',
    namespace: gateway.namespace,
    name: gateway.name,
  };
  if (!mayRefer(input.grants, from, { group, kind, namespace, name })) {
    const why = `no ReferenceGrant in ${namespace} lets the Gateway refer to ${kind} ${name}`;
    return refused('RefNotPermitted', why);
  }
  const found = find(kind === 'Secret' ? input.secrets : input.configMaps, namespace, name);
  if (found === undefined || caOf(found) === undefined) {
    const why = `there is no ${kind} ${namespace}/${name} with CAs in ca.crt`;
    return refused('InvalidCACertificateRef', why);
  }
  return {
    tls: {
      mode: validation.mode === 'AllowInsecureFallback' ? 'OPTIONAL_MUTUAL' : 'MUTUAL',
      caCertCredentialName: credentialName(kind, namespace, name),
      ...(validation.mode === 'AllowInsecureFallback' && { acceptUntrusted: true }),
    },
  };
}
