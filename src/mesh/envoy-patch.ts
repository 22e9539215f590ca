// A change to Envoy's configuration as the mesh keeps it: a patch of an EnvoyFilter (envoy-filter.ts), or the filter of a
// WasmPlugin (wasm-plugin.ts). What it does is translation's business.
import type { EnvoyFilterSpec } from '../kinds/envoy-filter.js';
import type { FieldPath } from '../kinds/problem.js';
import type { WasmPluginSpec } from '../kinds/wasm-plugin.js';
import type { ResourceId } from './rules.js';

type ConfigPatch = NonNullable<EnvoyFilterSpec['configPatches']>[number];
type Match = NonNullable<ConfigPatch['match']>;

/** What a patch changes. */
export type ApplyTo = ConfigPatch['applyTo'];
/** How it does. */
export type Operation = ConfigPatch['patch']['operation'];
export type PatchContext = 'SIDECAR_INBOUND' | 'SIDECAR_OUTBOUND' | 'GATEWAY';
export type ListenerMatch = NonNullable<Match['listener']>;
export type RouteConfigurationMatch = NonNullable<Match['routeConfiguration']>;
export type ClusterMatch = NonNullable<Match['cluster']>;

/** What a plugin's filter is made of. */
export interface WasmPlugin {
  /** `NAMESPACE.NAME`. */
  name: string;
  /** Of the module, on the host of the Envoy. */
  file: string;
  spec: WasmPluginSpec;
}

/** One patch of an EnvoyFilter, or of a WasmPlugin. The same object while the resource is. */
export interface EnvoyFilterPatch {
  source: ResourceId;
  /** Its place in the resource. */
  path: FieldPath;
  /** Tells the patches of one resource apart. */
  index: number;
  applyTo: ApplyTo;
  context: 'ANY' | 'WAYPOINT' | PatchContext;
  operation: Operation;
  /** Absent: everything of the sort. */
  listener?: ListenerMatch;
  routeConfiguration?: RouteConfigurationMatch;
  cluster?: ClusterMatch;
  /** ProtoJSON as the user wrote it. */
  value?: object;
  /** What the value is made of instead. */
  plugin?: WasmPlugin;
}
