// The identity of a proxy that is only described on the command line: for `translate` and `proxy-config --config`,
// and for `bootstrap`, so that what is asked offline is what an Envoy with that bootstrap gets.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { ControlPlaneError, errorMessage } from '../lib/error.js';
import type { InterceptionMode, ProxyNode } from '../mesh/proxy.js';
import { buildNode } from './bootstrap.js';
import { ipList, jsonObject, keyValues, oneOf } from './flag-values.js';

/** The options that describe a proxy; `node` is a full Envoy node id or just a name. */
export interface IdentityOptions {
  node: string;
  namespace?: string;
  ip?: string[];
  label?: string[];
  metadata?: string;
  cluster?: string;
  locality?: string;
  proxyType?: string;
  interception?: string;
  /** A file with a whole Envoy node (JSON or YAML), as in a bootstrap or a config dump. */
  nodeFile?: string;
}

/** Envoy's node for a described proxy: a plain name (or NAME.NAMESPACE) gets the node that `bootstrap` would write. */
export function describedNode(options: IdentityOptions): ProxyNode {
  if (options.nodeFile !== undefined) return nodeFromFile(options.nodeFile);
  const ips = ipList(options.ip);
  const labels = keyValues(options.label);
  const metadata = jsonObject('--metadata', options.metadata);
  const { interception, locality } = options;
  const interceptionMode =
    interception === undefined ? undefined : oneOf('--interception', interception, modes);
  const type = oneOf('--proxy-type', options.proxyType ?? 'sidecar', ['sidecar', 'router']);
  if (options.node.includes('~')) {
    return {
      id: options.node,
      cluster: options.cluster ?? '',
      metadata: {
        ...(options.namespace && { NAMESPACE: options.namespace }),
        ...(ips.length > 0 && { INSTANCE_IPS: ips.join(',') }),
        ...(interceptionMode && { INTERCEPTION_MODE: interceptionMode }),
        LABELS: labels,
        ...metadata,
      },
      ...(locality !== undefined && { locality: localityOf(locality) }),
    };
  }
  const dot = options.node.indexOf('.');
  const name = dot < 0 ? options.node : options.node.slice(0, dot);
  const namespace = options.namespace ?? (dot < 0 ? undefined : options.node.slice(dot + 1));
  return buildNode({
    cluster: options.cluster,
    locality,
    type,
    name,
    namespace,
    ips,
    labels,
    metadata,
    interceptionMode,
    xds: '127.0.0.1:15010',
  }) as unknown as ProxyNode;
}

const modes: readonly InterceptionMode[] = ['REDIRECT', 'TPROXY', 'NONE'];

function localityOf(text: string): ProxyNode['locality'] {
  const [region = '', zone = '', sub_zone = ''] = text.split('/');
  return { region, zone, sub_zone };
}

function nodeFromFile(file: string): ProxyNode {
  let parsed: ({ node?: Partial<ProxyNode> } & Partial<ProxyNode>) | null;
  try {
    // YAML is read too, which JSON is a part of: bootstraps are written in both.
    parsed = parse(readFileSync(file, 'utf8')) as typeof parsed;
  } catch (cause) {
    throw new ControlPlaneError('usage', `cannot read a node from ${file}: ${errorMessage(cause)}`);
  }
  const node = parsed?.node ?? parsed;
  if (typeof node?.id !== 'string') {
    throw new ControlPlaneError('usage', `there is no Envoy node with an id in ${file}`);
  }
  return { ...node, id: node.id, cluster: node.cluster ?? '', metadata: node.metadata ?? {} };
}

/** The flags of a command as an identity; one of `--node` and `--node-file` must be there. */
export function identityOf(options: Partial<IdentityOptions>): IdentityOptions {
  if (options.node === undefined && options.nodeFile === undefined) {
    throw new ControlPlaneError('usage', '--node or --node-file must say which proxy is meant');
  }
  return { ...options, node: options.node ?? '' };
}
