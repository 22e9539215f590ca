// The forms of names and addresses that Kubernetes and Istio allow: DNS labels and names, wildcard hosts, IP
// addresses and CIDR blocks, header names.
import { ipFamily } from '../lib/ip.js';

const dnsLabel = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/;
const lowerDnsLabel = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const wildcardLabel = /^(?:\*|(?:\*-?)?[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)$/;
const tokenName = /^[!#$%&'*+\-.^_`|~A-Za-z0-9]+$/;

/** A DNS label as Istio checks it (RFC 1123, either case, 63 characters). */
export function isAnyCaseLabel(text: string): boolean {
  return text.length <= 63 && dnsLabel.test(text);
}

/** A DNS label as Kubernetes has it for namespaces (RFC 1123, lower case, 63 characters). */
export function isDnsLabel(text: string): boolean {
  return text.length <= 63 && lowerDnsLabel.test(text);
}

/** A DNS name as Kubernetes has it for names of resources (RFC 1123, lower case, 253 characters). */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= 253 && text.split('.').every((label) => lowerDnsLabel.test(label));
}

function dnsLabelsProblem(domain: string): string | undefined {
  const parts = domain.split('.');
  const last = parts.at(-1) ?? '';
  if (/^[+-]?\d+$/.test(last)) return `the last part of "${domain}" must not be a number`;
  // An empty last part makes a name unambiguous, as in `istio.io.`
  const labels = last === '' ? parts.slice(0, -1) : parts;
  const wrong = labels.find((label) => !isAnyCaseLabel(label));
  return wrong === undefined ? undefined : `"${domain}" is not a host name ("${wrong}" is wrong)`;
}

function lengthProblem(domain: string): string | undefined {
  if (domain === '') return 'a host name must not be empty';
  return domain.length > 255 ? 'a host name has at most 255 characters' : undefined;
}

/** What is wrong with a host name without wildcards; undefined when nothing is. */
export function hostProblem(domain: string): string | undefined {
  return lengthProblem(domain) ?? dnsLabelsProblem(domain);
}

/** As `hostProblem`, with a wildcard allowed in the first label: `*`, `*.example.com`, `*-x.example.com`. */
export function wildcardHostProblem(domain: string): string | undefined {
  const tooLong = lengthProblem(domain);
  if (tooLong) return tooLong;
  const dot = domain.indexOf('.');
  const first = dot === -1 ? domain : domain.slice(0, dot);
  if (first.length > 63 || !wildcardLabel.test(first)) {
    return `"${domain}" is not a host name ("${first}" is wrong)`;
  }
  return dot === -1 ? undefined : dnsLabelsProblem(domain.slice(dot + 1));
}

/** True for a wildcard that stands for a part of a label, as in `*-x.example.com`; Envoy has none in server names. */
export function isPartialWildcard(host: string): boolean {
  return host.startsWith('*') && host !== '*' && !host.startsWith('*.');
}

/** True for the SNI that sidecars send for a cluster: `outbound_.PORT_.SUBSET_.HOST` (Istio, AUTO_PASSTHROUGH). */
export function isClusterSni(host: string): boolean {
  return host.length <= 255 && /^outbound_[^_]*\d[^_]*_[^_]*_[^_]*[a-zA-Z]/.test(host);
}

/** What Linux has room for in the address of a socket, with a zero behind it. */
const SOCKET_PATH_BYTES_MAX = 107;

/** What is wrong with the address of a Unix socket: `unix:///PATH`, `unix://@NAME`. */
export function unixAddressProblem(address: string): string | undefined {
  if (!/^unix:\/\/(?:@|\/.*[^/]$)/s.test(address)) {
    return 'a Unix socket is unix:///PATH, the absolute path of a file, or unix://@NAME';
  }
  return Buffer.byteLength(address) > 'unix://'.length + SOCKET_PATH_BYTES_MAX
    ? `the path of a socket has at most ${SOCKET_PATH_BYTES_MAX} bytes`
    : undefined;
}

/** True when every name that `sub` stands for is one that `host` stands for. */
export function hostCovers(host: string, sub: string): boolean {
  if (!host.startsWith('*')) return host === sub;
  const suffix = host.slice(1);
  return sub.startsWith('*') ? sub.slice(1).endsWith(suffix) : sub.endsWith(suffix);
}

/** An IPv4 or IPv6 address. */
export function isAddress(text: string): boolean {
  return ipFamily(text) !== 0;
}

/** An IP address, or a CIDR block such as 10.0.0.0/8. */
export function isAddressOrBlock(text: string): boolean {
  const slash = text.indexOf('/');
  if (slash === -1) return isAddress(text);
  const family = ipFamily(text.slice(0, slash));
  const bits = text.slice(slash + 1);
  if (family === 0 || !/^(?:0|[1-9]\d{0,2})$/.test(bits)) return false;
  return Number(bits) <= (family === 4 ? 32 : 128);
}

/** A header name (RFC 9110, token). */
export function isHeaderName(text: string): boolean {
  return tokenName.test(text);
}

const labelKeyPrefix =
  /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)*$/;
const labelText = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)$/;

/** What is wrong with a key of a label; undefined when nothing is. */
export function labelKeyProblem(key: string): string | undefined {
  const slash = key.indexOf('/');
  const name = key.slice(slash + 1);
  const prefixFits = slash === -1 || (slash <= 253 && labelKeyPrefix.test(key.slice(0, slash)));
  const fits = prefixFits && name.length <= 63 && labelText.test(name);
  return fits ? undefined : `"${key.slice(0, 80)}" is not a key of a label`;
}

/** What is wrong with the value of a label; undefined when nothing is. Istio has no limit on its length. */
export function labelValueProblem(value: string): string | undefined {
  if (value === '' || labelText.test(value)) return undefined;
  return `"${value.slice(0, 80)}" is not a value of a label`;
}
