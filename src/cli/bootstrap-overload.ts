// What an Envoy does before it is overloaded: the bound of its connections, and for gateways, which anybody may call,
// the steps that Envoy's guide for edge proxies takes as its memory fills up
// (envoy docs, configuration/best_practices/edge and configuration/operations/overload_manager).

type Json = { [key: string]: unknown };

/** The bounds of one Envoy. */
export interface OverloadBounds {
  connectionsMax: number;
  /** Of the heap; absent: nothing is done about memory. */
  heapBytesMax?: number;
}

const monitors = 'type.googleapis.com/envoy.extensions.resource_monitors';
const heap = 'envoy.resource_monitors.fixed_heap';
const connections = 'envoy.resource_monitors.global_downstream_max_connections';

/** Shares of the heap at which Envoy gives memory back, lets clients go, and takes nothing new. */
const heapShares = { shrink: 0.92, noKeepalive: 0.95, stop: 0.98 };

/** config.overload.v3.OverloadManager. */
export function overloadManager({ connectionsMax, heapBytesMax }: OverloadBounds): Json {
  const limited = {
    name: connections,
    typed_config: {
      '@type': `${monitors}.downstream_connections.v3.DownstreamConnectionsConfig`,
      max_active_downstream_connections: String(connectionsMax),
    },
  };
  if (heapBytesMax === undefined) return { resource_monitors: [limited] };
  const bounded = {
    name: heap,
    typed_config: {
      '@type': `${monitors}.fixed_heap.v3.FixedHeapConfig`,
      max_heap_size_bytes: String(heapBytesMax),
    },
  };
  return {
    refresh_interval: '0.25s',
    resource_monitors: [bounded, limited],
    actions: [
      at('envoy.overload_actions.shrink_heap', heapShares.shrink),
      at('envoy.overload_actions.disable_http_keepalive', heapShares.noKeepalive),
      at('envoy.overload_actions.stop_accepting_requests', heapShares.stop),
    ],
    loadshed_points: [at('envoy.load_shed_points.tcp_listener_accept', heapShares.stop)],
  };
}

function at(name: string, value: number): Json {
  return { name, triggers: [{ name: heap, threshold: { value } }] };
}
