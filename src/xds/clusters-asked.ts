// A remedy for envoy#36951, as callbacks that a program adds or leaves: after a reconnect in delta, Envoy may never
// ask for clusters again and so keeps the old ones for ever. Its stream is ended, so that it makes another one.
import { CLUSTER } from '../envoy/resource.js';
import type { XdsCallbacks } from './options.js';
import type { XdsStream } from './status.js';

/** Nodes remembered; the oldest go first. */
const nodesMax = 10_000;

/**
 * The callbacks given, and besides: an aggregated delta stream of an Envoy that asked for clusters on an earlier one
 * is ended when it asks for other things and not for clusters within `afterMs`. At most once for each node between two
 * requests for clusters, so that an Envoy of another configuration is not ended again and again.
 */
export function withClustersAsked(callbacks: XdsCallbacks = {}, afterMs = 60_000): XdsCallbacks {
  const asked = new Set<string>();
  const timers = new Map<XdsStream, NodeJS.Timeout>();
  const forget = (stream: XdsStream) => {
    clearTimeout(timers.get(stream));
    timers.delete(stream);
  };
  const noteRequest = (stream: XdsStream, typeUrl: string) => {
    const { node } = stream;
    if (node?.userAgentName !== 'envoy' || !stream.aggregated || stream.variant !== 'delta') return;
    if (typeUrl === CLUSTER) {
      forget(stream);
      asked.delete(node.id);
      asked.add(node.id);
      if (asked.size > nodesMax) asked.delete(asked.keys().next().value!);
      return;
    }
    if (timers.has(stream) || !asked.has(node.id)) return;
    if (stream.status().types.some((type) => type.typeUrl === CLUSTER)) return;
    const end = () => {
      forget(stream);
      if (asked.delete(node.id)) stream.end('clusters were not asked for again (envoy#36951)');
    };
    timers.set(stream, setTimeout(end, afterMs).unref());
  };
  return {
    ...callbacks,
    onRequest(stream, typeUrl) {
      noteRequest(stream, typeUrl);
      callbacks.onRequest?.(stream, typeUrl);
    },
    onStreamClosed(stream) {
      forget(stream);
      callbacks.onStreamClosed?.(stream);
    },
  };
}
