// What a filter is, by the type of its configuration: which ones end a chain, and which one has HTTP filters.
import type { Filter } from '../../envoy/gen/types/envoy/config/listener/v3/Filter.js';
import type { HttpConnectionManager } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpConnectionManager.js';
import type { AnyFilter } from './patch-filters.js';

const MANAGER =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const TCP_PROXY = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

function typeOf({ typed_config: config }: AnyFilter): string | undefined {
  const { '@type': type } = (config ?? {}) as { '@type'?: string };
  return type;
}

/** Whether nothing may stand behind it in a chain. */
export function isTerminalNetwork(filter: AnyFilter): boolean {
  return typeOf(filter) === MANAGER || typeOf(filter) === TCP_PROXY;
}

/** Whether nothing may stand behind it in a connection manager. */
export function isTerminalHttp(filter: AnyFilter): boolean {
  return typeOf(filter) === ROUTER;
}

/** The configuration of a connection manager, with its `@type`; undefined for other filters. */
export function managerOf(filter: Filter): HttpConnectionManager | undefined {
  if (typeOf(filter as AnyFilter) !== MANAGER) return undefined;
  return filter.typed_config as HttpConnectionManager;
}
