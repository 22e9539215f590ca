// Who is at the other end of a stream: Envoy's Node message as a small plain value. Envoy sends 61 kB, nearly all of
// it the list of its extensions, which is not kept (xds-protocol 31).
import { decode, toJson } from '../envoy/codec.js';
import { withoutField } from '../envoy/without-field.js';

/** The node of a stream. Fields that the client did not send are empty strings or empty objects. */
export interface XdsNode {
  readonly id: string;
  readonly cluster: string;
  /** The metadata Struct as plain JSON. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  /** `envoy`, `gRPC Go`, `gRPC Node Pure JS` and the like. */
  readonly userAgentName: string;
  /** `1.40.0` of an Envoy's build version, or the string that other clients give. */
  readonly userAgentVersion: string;
  /** Capabilities by name, such as `xds.config.resource-in-sotw`. Envoy sends none. */
  readonly clientFeatures: readonly string[];
}

const NODE = 'envoy.config.core.v3.Node';
/** Decoding 516 of them takes a millisecond, and a fleet may come at once. */
const EXTENSIONS = 9;

interface NodeMessage {
  id: string;
  cluster: string;
  metadata?: object | null;
  locality?: { region: string; zone: string; sub_zone: string } | null;
  user_agent_name: string;
  user_agent_version?: string;
  user_agent_build_version?: {
    version?: { major_number: number; minor_number: number; patch: number } | null;
  } | null;
  client_features: string[];
}

/** Reads a Node from its bytes. Throws on bytes that are no Node. */
export function readNode(bytes: Uint8Array): XdsNode {
  const node = decode<NodeMessage>(NODE, withoutField(bytes, EXTENSIONS));
  const build = node.user_agent_build_version?.version;
  const { region = '', zone = '', sub_zone: subZone = '' } = node.locality ?? {};
  return {
    id: node.id,
    cluster: node.cluster,
    metadata: node.metadata ? (toJson('google.protobuf.Struct', node.metadata) as object) : {},
    locality: { region, zone, subZone },
    userAgentName: node.user_agent_name,
    userAgentVersion: build
      ? `${build.major_number}.${build.minor_number}.${build.patch}`
      : (node.user_agent_version ?? ''),
    clientFeatures: [...node.client_features],
  } as XdsNode;
}
