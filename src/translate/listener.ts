// All listeners of one view, in a stable order. What each kind looks like is in the files named after it.
import type { Listener } from '../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import type { ProxyView } from '../mesh/proxy-view.js';

/** The listeners of a view, inbound and outbound. Unchanged inputs give the same objects. */
export function buildListeners(_view: ProxyView): readonly Listener[] {
  return [];
}
