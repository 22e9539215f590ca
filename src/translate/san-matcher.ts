// Names in certificates: what a user writes as one name, in Envoy's typed form.
import { isIP } from 'node:net';
import type { SubjectAltNameMatcher } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/SubjectAltNameMatcher.js';

/** Envoy's matchers are of one type; what a name is can be seen. */
export function sanMatcher(name: string): SubjectAltNameMatcher {
  const isUri = name.includes('://');
  const isEmail = name.includes('@');
  const san_type = isUri ? 'URI' : isEmail ? 'EMAIL' : isIP(name) ? 'IP_ADDRESS' : 'DNS';
  return { san_type, matcher: { exact: name } };
}
