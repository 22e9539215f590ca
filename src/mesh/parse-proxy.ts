// Envoy's node -> Proxy (DESIGN.md, Proxy identity).
import type { Proxy, ProxyNode } from './proxy.js';

/** Reads Istio's node ids and metadata; any other node is served too. Never fails. */
export function parseProxy(_node: ProxyNode): Proxy {
  throw new Error('not written yet');
}
