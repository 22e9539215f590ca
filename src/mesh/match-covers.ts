// Whether one match of a VirtualService takes everything that another one takes. Only what is certain is said: regular
// expressions are compared by their text, and two prefixes are not added up.
import { hostCovers } from './host-name.js';
import type { HttpMatch, TcpRule, TlsRule } from './rules.js';

type TcpMatch = NonNullable<TcpRule['match']>[number];
type TlsMatch = NonNullable<TlsRule['match']>[number];
type StringMatch = NonNullable<HttpMatch['uri']>;

/** True when every request that `narrow` takes is taken by `wide`. `gateways` are those of the resource. */
export function httpMatchCovers(
  wide: HttpMatch,
  narrow: HttpMatch,
  gateways: readonly string[],
): boolean {
  return (
    pathCovers(wide, narrow) &&
    textCovers(wide.scheme, narrow.scheme) &&
    textCovers(wide.method, narrow.method) &&
    textCovers(wide.authority, narrow.authority) &&
    textsCover(wide.headers, narrow.headers) &&
    absentCovers(wide.withoutHeaders, narrow.withoutHeaders) &&
    textsCover(wide.queryParams, narrow.queryParams) &&
    clientCovers(wide, narrow, gateways)
  );
}

/** The same for connections. */
export function l4MatchCovers(
  wide: TcpMatch | TlsMatch,
  narrow: TcpMatch | TlsMatch,
  gateways: readonly string[],
): boolean {
  return (
    sniCovers(wide, narrow) &&
    subnetsCover(wide.destinationSubnets, narrow.destinationSubnets) &&
    clientCovers(wide, narrow, gateways)
  );
}

interface ClientConditions {
  port?: number | undefined;
  sourceLabels?: Readonly<Record<string, string>> | undefined;
  sourceNamespace?: string | undefined;
  gateways?: readonly string[] | undefined;
}

/** What the control plane decides for each proxy. */
function clientCovers(
  wide: ClientConditions,
  narrow: ClientConditions,
  gateways: readonly string[],
): boolean {
  if (wide.port && wide.port !== narrow.port) return false;
  if (wide.sourceNamespace && wide.sourceNamespace !== narrow.sourceNamespace) return false;
  const labels = narrow.sourceLabels ?? {};
  for (const [key, value] of Object.entries(wide.sourceLabels ?? {})) {
    if (labels[key] !== value) return false;
  }
  const wideGateways = wide.gateways?.length ? wide.gateways : gateways;
  const narrowGateways = narrow.gateways?.length ? narrow.gateways : gateways;
  return narrowGateways.every((gateway) => wideGateways.includes(gateway));
}

function pathCovers(wide: HttpMatch, narrow: HttpMatch): boolean {
  const { uri } = wide;
  if (isAnything(uri) || uri?.prefix === '/') return true;
  if (narrow.uri === undefined || uri === undefined) return false;
  if (wide.ignoreUriCase && uri.regex === undefined) {
    return textCovers(lowerCase(uri), lowerCase(narrow.uri));
  }
  // A narrow match that ignores case takes paths that the wide one does not.
  if (narrow.ignoreUriCase && narrow.uri.regex === undefined) return false;
  return textCovers(uri, narrow.uri);
}

function lowerCase(match: StringMatch): StringMatch {
  const { exact, prefix } = match;
  if (exact !== undefined) return { exact: exact.toLowerCase() };
  return prefix !== undefined ? { prefix: prefix.toLowerCase() } : match;
}

/** Absent, or a pattern that nothing fails. */
function isAnything(match: StringMatch | undefined): boolean {
  if (match === undefined) return true;
  return match.regex === '.*' || (match.prefix === '' && match.exact === undefined);
}

function textCovers(wide: StringMatch | undefined, narrow: StringMatch | undefined): boolean {
  if (isAnything(wide)) return true;
  if (wide === undefined || narrow === undefined) return false;
  if (wide.exact !== undefined) return wide.exact === narrow.exact;
  if (wide.prefix !== undefined) {
    return (narrow.exact ?? narrow.prefix)?.startsWith(wide.prefix) ?? false;
  }
  return wide.regex === undefined || wide.regex === narrow.regex;
}

type Texts = Readonly<Record<string, StringMatch>> | undefined;

/** Headers and query parameters: each that `wide` asks for, `narrow` asks for at least as much. */
function textsCover(wide: Texts, narrow: Texts): boolean {
  return Object.entries(wide ?? {}).every(([name, match]) => {
    const other = narrow?.[name];
    if (other === undefined) return false;
    const present = isPresence(match);
    return present || (!isPresence(other) && textCovers(match, other));
  });
}

function isPresence({ exact, prefix, regex }: StringMatch): boolean {
  return regex === '*' || (exact === undefined && prefix === undefined && regex === undefined);
}

function absentCovers(wide: Texts, narrow: Texts): boolean {
  return Object.entries(wide ?? {}).every(
    ([name, match]) => JSON.stringify(narrow?.[name]) === JSON.stringify(match),
  );
}

function sniCovers(wide: TcpMatch | TlsMatch, narrow: TcpMatch | TlsMatch): boolean {
  const hosts = 'sniHosts' in wide ? wide.sniHosts : [];
  const others = 'sniHosts' in narrow ? narrow.sniHosts : [];
  if (hosts.length === 0) return true;
  return others.length > 0 && others.every((one) => hosts.some((host) => hostCovers(host, one)));
}

function subnetsCover(
  wide: readonly string[] | undefined,
  narrow: readonly string[] | undefined,
): boolean {
  if (!wide?.length) return true;
  return Boolean(narrow?.length) && narrow!.every((subnet) => wide.includes(subnet));
}
