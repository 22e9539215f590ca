// The connected proxies: which streams each has, what view it is served, what it refused. Kept by control-plane.ts,
// read by the admin API.
import { type ResourcesByType, type TypeUrl, typeShortName } from '../envoy/resource.js';
import type { Problem } from '../kinds/problem.js';
import type { EnvoyFilterPatch } from '../mesh/envoy-patch.js';
import type { Proxy } from '../mesh/proxy.js';
import type { ProxyView } from '../mesh/proxy-view.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import type { StreamStatus, XdsStream } from '../xds/status.js';
import type { HeldResource, Nack, ProxyStatus, SyncState, TypeStatus } from './state.js';

/** One view, what it was translated to, and the encoded snapshot. Replaced, never changed. */
export interface ServedView {
  view: ProxyView;
  translation: {
    resources: ResourcesByType;
    problems: readonly Problem[];
    /** Which patches changed something, and what; absent without any. */
    patches?: {
      matched: ReadonlySet<EnvoyFilterPatch>;
      on(typeUrl: TypeUrl, name: string): readonly EnvoyFilterPatch[];
    };
  };
  snapshot: Snapshot;
}

/** One proxy; an Envoy that uses single-type services has several streams. */
export interface ConnectedProxy {
  group: string;
  proxy: Proxy;
  /** Its streams, each with its refusals by type URL, until that type is accepted on it again. */
  streams: Map<XdsStream, Map<string, Nack>>;
  /** The key of its present view. */
  viewKey: string;
  /** What it is served; of an earlier view while the present one cannot be translated, undefined before the first. */
  served: ServedView | undefined;
  /** Why the present view could not be translated. */
  failure?: unknown;
}

/** The types that operators look at, present even before the proxy asked. */
const shown = ['CDS', 'LDS', 'EDS', 'RDS'];

/** The user's resources behind one that is held back. */
export type HeldCauses = (held: {
  typeUrl: string;
  name: string;
  version: string;
}) => Nack['causes'];

/** A proxy as the API shows it. */
export function proxyStatus(connected: ConnectedProxy, heldCauses: HeldCauses): ProxyStatus {
  const streams = [...connected.streams].map(([stream, nacks]) => ({
    status: stream.status(),
    nacks,
  }));
  const { proxy } = connected;
  const nothing: TypeStatus = {
    state: 'NOT SENT',
    sentVersion: '',
    ackedVersion: '',
    resources: 0,
  };
  const types = new Map(shown.map((name) => [name, nothing]));
  for (const { status, nacks } of streams) {
    for (const [name, type] of typeStatuses(connected, status, { nacks, heldCauses })) {
      // Two Envoys that call themselves alike are one proxy here: the worse of the two is shown.
      const other = types.get(name);
      if (other === undefined || rank[type.state] >= rank[other.state]) types.set(name, type);
    }
  }
  const identity = streams[0]?.status.identity;
  return {
    id: proxy.id,
    name: proxy.name,
    namespace: proxy.namespace,
    type: proxy.type,
    address: streams[0]?.status.peer ?? '',
    ...(identity && { identity: identity.name }),
    envoyVersion: proxy.envoyVersion,
    variant: streams[0]?.status.variant ?? 'sotw',
    connectedMs: Math.min(...streams.map(({ status }) => status.openedAt.getTime())),
    view: connected.viewKey,
    types: Object.fromEntries(types),
  };
}

const rank: Readonly<Record<SyncState, number>> = {
  'NOT SENT': 0,
  SYNCED: 1,
  STALE: 2,
  HELD: 3,
  ERROR: 4,
};

function typeStatuses(
  connected: ConnectedProxy,
  stream: StreamStatus,
  { nacks, heldCauses }: { nacks: ReadonlyMap<string, Nack>; heldCauses: HeldCauses },
): [string, TypeStatus][] {
  return stream.types.map((type) => {
    const nack = nacks.get(type.typeUrl);
    const served = connected.served?.snapshot.types.get(type.typeUrl as never);
    const held = (type.heldBack ?? []).map(
      ({ name, version, inForce, message }): HeldResource => ({
        ...{ name, version, message },
        ...(inForce !== undefined && { inForce }),
        causes: heldCauses({ typeUrl: type.typeUrl, name, version }),
      }),
    );
    const status: TypeStatus = {
      state: held.length > 0 && type.state === 'SYNCED' ? 'HELD' : syncStates[type.state],
      sentVersion: type.sent?.version ?? '',
      ackedVersion: type.acked?.version ?? '',
      ...(type.sent && { sentMs: type.sent.at.getTime() }),
      ...(type.acked && { ackedMs: type.acked.at.getTime() }),
      resources: type.subscribed === '*' ? (served?.resources.size ?? 0) : type.subscribed.length,
      ...(nack && { lastNack: nack }),
      ...(held.length > 0 && { heldBack: held }),
    };
    return [shortTypeName(type.typeUrl) ?? type.typeUrl, status];
  });
}

/** `CDS` and so on; undefined for a type that is not ours (a client may ask for any text). */
export function shortTypeName(typeUrl: string): string | undefined {
  return Object.hasOwn(typeShortName, typeUrl) ? typeShortName[typeUrl] : undefined;
}

const syncStates: Readonly<Record<StreamStatus['types'][number]['state'], SyncState>> = {
  SYNCED: 'SYNCED',
  PENDING: 'STALE',
  REJECTED: 'ERROR',
  NOT_SENT: 'NOT SENT',
};

/** Whether a proxy has acknowledged what it was sent last of a type, on any of its streams. */
export function holdsNewest({ streams }: ConnectedProxy, type: TypeUrl): boolean {
  return [...streams.keys()].some((stream) =>
    stream.status().types.some(({ typeUrl, state }) => typeUrl === type && state === 'SYNCED'),
  );
}

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
