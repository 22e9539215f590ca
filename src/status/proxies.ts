// The connected proxies: which streams each has, what view it is served, what it refused. Kept by control-plane.ts,
// read by the admin API.
import { typeShortName } from '../envoy/resource.js';
import type { Proxy } from '../mesh/proxy.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import type { StreamStatus, XdsStream } from '../xds/status.js';
import type { Nack, ProxyStatus, SyncState, TypeStatus } from './state.js';

/** One proxy; an Envoy that uses single-type services has several streams. */
export interface ConnectedProxy {
  group: string;
  proxy: Proxy;
  streams: Set<XdsStream>;
  /** The key of its view and what it should hold. */
  viewKey: string;
  snapshot: Snapshot;
  /** Last refusal by type URL, until that type is accepted again. */
  nacks: Map<string, Nack>;
}

/** The types that operators look at, present even before the proxy asked. */
const shown = ['CDS', 'LDS', 'EDS', 'RDS'];

/** A proxy as the API shows it. */
export function proxyStatus(connected: ConnectedProxy): ProxyStatus {
  const statuses = [...connected.streams].map((stream) => stream.status());
  const { proxy } = connected;
  const types: Record<string, TypeStatus> = Object.fromEntries(
    shown.map((name) => [
      name,
      { state: 'NOT SENT', sentVersion: '', ackedVersion: '', resources: 0 },
    ]),
  );
  for (const status of statuses) Object.assign(types, typeStatuses(connected, status));
  return {
    id: proxy.id,
    name: proxy.name,
    namespace: proxy.namespace,
    type: proxy.type,
    address: statuses[0]?.peer ?? '',
    envoyVersion: proxy.envoyVersion,
    variant: statuses[0]?.variant ?? 'sotw',
    connectedMs: Math.min(...statuses.map((status) => status.openedAt.getTime())),
    view: connected.viewKey,
    types,
  };
}

function typeStatuses(connected: ConnectedProxy, stream: StreamStatus) {
  return Object.fromEntries(
    stream.types.map((type) => {
      const nack = connected.nacks.get(type.typeUrl);
      const resources = connected.snapshot.types.get(type.typeUrl as never)?.resources.size ?? 0;
      const status: TypeStatus = {
        state: syncStates[type.state],
        sentVersion: type.sent?.version ?? '',
        ackedVersion: type.acked?.version ?? '',
        sentMs: type.sent?.at.getTime(),
        ackedMs: type.acked?.at.getTime(),
        resources: type.subscribed === '*' ? resources : type.subscribed.length,
        ...(nack && { lastNack: nack }),
      };
      return [typeShortName[type.typeUrl] ?? type.typeUrl, status];
    }),
  );
}

const syncStates: Readonly<Record<StreamStatus['types'][number]['state'], SyncState>> = {
  SYNCED: 'SYNCED',
  PENDING: 'STALE',
  REJECTED: 'ERROR',
  NOT_SENT: 'NOT SENT',
};

/** The proxy that a user means: by node id, `name.namespace`, or a name that only one has. */
export function findProxy(
  proxies: Iterable<ConnectedProxy>,
  wanted: string,
): ConnectedProxy | undefined {
  const all = [...proxies];
  const named = all.filter(({ proxy }) => proxy.name === wanted);
  return (
    all.find(({ proxy }) => proxy.id === wanted) ??
    all.find(({ proxy }) => `${proxy.name}.${proxy.namespace}` === wanted) ??
    (named.length === 1 ? named[0] : undefined)
  );
}
