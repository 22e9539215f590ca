// The identity of a proxy that is only described on the command line: for `translate` and `proxy-config --config`,
// and for `bootstrap`, so that what is asked offline is what an Envoy with that bootstrap gets.
import { readFileSync } from 'node:fs';
import { ControlPlaneError, errorMessage } from '../lib/error.js';
import type { InterceptionMode, ProxyNode } from '../mesh/proxy.js';
import { buildNode } from './bootstrap.js';

/** The options that describe a proxy; `node` is a full Envoy node id or just a name. */
export interface IdentityOptions {
  node: string;
  namespace?: string;
  ip?: string[];
  label?: string[];
  metadata?: string;
  cluster?: string;
  locality?: string;
  proxyType?: 'sidecar' | 'router';
  interception?: string;
  /** A file with a whole Envoy node (JSON), as in a bootstrap or a config dump. */
  nodeFile?: string;
}

/** Envoy's node for a described proxy: a plain name (or NAME.NAMESPACE) gets the node that `bootstrap` would write. */
export function describedNode(options: IdentityOptions): ProxyNode {
  if (options.nodeFile !== undefined) return nodeFromFile(options.nodeFile);
  const ips = (options.ip ?? []).flatMap((ip) => ip.split(','));
  const labels = keyValues(options.label ?? []);
  const metadata = parseMetadata(options.metadata);
  if (options.node.includes('~')) {
    return {
      id: options.node,
      cluster: options.cluster ?? '',
      metadata: {
        ...(options.namespace && { NAMESPACE: options.namespace }),
        ...(ips.length > 0 && { INSTANCE_IPS: ips.join(',') }),
        ...(options.interception && { INTERCEPTION_MODE: options.interception }),
        LABELS: labels,
        ...metadata,
      },
    };
  }
  const dot = options.node.indexOf('.');
  const name = dot < 0 ? options.node : options.node.slice(0, dot);
  const namespace = options.namespace ?? (dot < 0 ? undefined : options.node.slice(dot + 1));
  return buildNode({
    cluster: options.cluster,
    locality: options.locality,
    type: options.proxyType ?? 'sidecar',
    name,
    namespace,
    ips,
    labels,
    metadata,
    interceptionMode: options.interception as InterceptionMode | undefined,
    xds: '127.0.0.1:15010',
  }) as unknown as ProxyNode;
}

/** `['app=web', 'a=b,c=d']` -> `{app: 'web', a: 'b', c: 'd'}`. */
export function keyValues(words: readonly string[]): Record<string, string> {
  const entries = words.flatMap((word) => word.split(',')).filter((word) => word !== '');
  return Object.fromEntries(
    entries.map((entry) => {
      const equals = entry.indexOf('=');
      if (equals < 1) throw new ControlPlaneError('usage', `a label is KEY=VALUE, not ${entry}`);
      return [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}

function parseMetadata(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new ControlPlaneError('usage', `--metadata takes JSON: ${errorMessage(cause)}`);
  }
}

function nodeFromFile(file: string): ProxyNode {
  try {
    const parsed = JSON.parse(readFileSync(file, 'utf8')) as { node?: ProxyNode } & ProxyNode;
    const node = parsed.node ?? parsed;
    return { ...node, cluster: node.cluster ?? '', metadata: node.metadata ?? {} };
  } catch (cause) {
    throw new ControlPlaneError('usage', `cannot read a node from ${file}: ${errorMessage(cause)}`);
  }
}

/** The flags of a command as an identity; one of `--node` and `--node-file` must be there. */
export function identityOf(options: Partial<IdentityOptions>): IdentityOptions {
  if (options.node === undefined && options.nodeFile === undefined) {
    throw new ControlPlaneError('usage', '--node or --node-file must say which proxy is meant');
  }
  return { ...options, node: options.node ?? '' };
}
