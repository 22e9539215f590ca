// Listener filters: what looks at a connection before a filter chain is chosen. Which listener needs which is decided
// by the chains it has (inspectorsFor), as in Istio.
import type { FilterChain } from '../envoy/gen/types/envoy/config/listener/v3/FilterChain.js';
import type { ListenerFilter } from '../envoy/gen/types/envoy/config/listener/v3/ListenerFilter.js';
import type { ListenerFilterChainMatchPredicate } from '../envoy/gen/types/envoy/config/listener/v3/ListenerFilterChainMatchPredicate.js';
import type { TlsInspector } from '../envoy/gen/types/envoy/extensions/filters/listener/tls_inspector/v3/TlsInspector.js';
import { any } from './any.js';

const extension = 'envoy.extensions.filters.listener';

/** Restores the address that the client called, before iptables redirected it. */
export const ORIGINAL_DST: ListenerFilter = {
  name: 'envoy.filters.listener.original_dst',
  typed_config: any(`${extension}.original_dst.v3.OriginalDst`, {}),
};

/** The mark of connections with a caller's address (Istio's number), by which their answers find the way back. */
const ORIGINAL_SRC_MARK = 1337;

/** Calls the application from the address of the caller (INTERCEPTION_MODE TPROXY), but on these ports. */
export function originalSource(exceptPorts: readonly number[]): ListenerFilter {
  return {
    name: 'envoy.filters.listener.original_src',
    typed_config: any(`${extension}.original_src.v3.OriginalSrc`, { mark: ORIGINAL_SRC_MARK }),
    ...(exceptPorts.length > 0 && { filter_disabled: anyOf(exceptPorts) }),
  };
}

const tlsInspector: TlsInspector = {
  // Envoy's default of 64 KiB is held for each connection; a ClientHello rarely needs more than this.
  initial_read_buffer_size: { value: 512 },
};

/** Reads server name and application protocols of a TLS ClientHello. */
export const TLS_INSPECTOR: ListenerFilter = {
  name: 'envoy.filters.listener.tls_inspector',
  typed_config: any(`${extension}.tls_inspector.v3.TlsInspector`, tlsInspector),
};

/** Tells HTTP from other plain TCP by the first bytes. It must stand behind the TLS inspector. */
export const HTTP_INSPECTOR: ListenerFilter = {
  name: 'envoy.filters.listener.http_inspector',
  typed_config: any(`${extension}.http_inspector.v3.HttpInspector`, {}),
};

/** Reads the address of the client from a PROXY header in front (versions 1 and 2). */
export const PROXY_PROTOCOL: ListenerFilter = {
  name: 'envoy.filters.listener.proxy_protocol',
  typed_config: any(`${extension}.proxy_protocol.v3.ProxyProtocol`, {}),
};

interface Needs {
  tls: boolean;
  http: boolean;
}

/**
 * The inspectors that these chains need. Where chains are told apart by destination port, an inspector is disabled
 * on the ports that can do without: there it would only make server-first protocols wait.
 */
export function inspectorsFor(chains: readonly FilterChain[]): ListenerFilter[] {
  const needsByPort = new Map<number, Needs>();
  for (const { filter_chain_match: match } of chains) {
    const port = match?.destination_port?.value ?? 0;
    const needs = needsByPort.get(port) ?? { tls: false, http: false };
    needs.tls ||= match?.transport_protocol === 'tls' || (match?.server_names?.length ?? 0) > 0;
    needs.http ||= match?.application_protocols?.some(isPlainHttp) ?? false;
    needsByPort.set(port, needs);
  }
  return [
    ...inspector(TLS_INSPECTOR, needsByPort, (needs) => needs.tls),
    ...inspector(HTTP_INSPECTOR, needsByPort, (needs) => needs.http),
  ];
}

function isPlainHttp(protocol: string): boolean {
  return protocol === 'http/1.1' || protocol === 'h2c';
}

function inspector(
  filter: ListenerFilter,
  needsByPort: ReadonlyMap<number, Needs>,
  wants: (needs: Needs) => boolean,
): ListenerFilter[] {
  const entries = [...needsByPort].filter(([port]) => port !== 0).sort(([a], [b]) => a - b);
  const other = needsByPort.get(0);
  const wantedElsewhere = other !== undefined && wants(other);
  const wanted = entries.filter(([, needs]) => wants(needs)).map(([port]) => port);
  const unwanted = entries.filter(([, needs]) => !wants(needs)).map(([port]) => port);
  if (wantedElsewhere) {
    return [unwanted.length === 0 ? filter : { ...filter, filter_disabled: anyOf(unwanted) }];
  }
  if (wanted.length === 0) return [];
  const everyConnection = unwanted.length === 0 && other === undefined;
  return [everyConnection ? filter : { ...filter, filter_disabled: { not_match: anyOf(wanted) } }];
}

function anyOf(ports: readonly number[]): ListenerFilterChainMatchPredicate {
  const rules = ports.map((port) => ({ destination_port_range: { start: port, end: port + 1 } }));
  return rules.length === 1 ? rules[0]! : { or_match: { rules } };
}
