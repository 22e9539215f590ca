// What of a proxy its resources depend on, as one object for all proxies that have it in common.
import { memoize } from '../lib/memo.js';
import { canonicalPlace } from '../mesh/place.js';
import type { ProxyPlace } from '../mesh/proxy.js';
import type { ProxyTraits, ProxyView } from '../mesh/proxy-view.js';

/** One object for all proxies of equal traits, wherever they are, so that what is made for one serves the others. */
export function traitsOf({ proxy }: ProxyView): ProxyTraits {
  return canonicalTraits(proxy);
}

const canonicalTraits = memoize((traits: ProxyTraits): ProxyTraits => {
  const { place: _, ...proxy } = traits;
  const labels = Object.entries(proxy.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return traitsOfText(JSON.stringify({ ...proxy, labels }));
});

const traitsOfText = memoize((text: string): ProxyTraits => {
  const traits = JSON.parse(text) as ProxyTraits & { labels: [string, string][] };
  return { ...traits, labels: Object.fromEntries(traits.labels) };
});

/** One object for all proxies of one place. */
export function placeOf({ proxy }: ProxyView): ProxyPlace | undefined {
  return proxy.place && canonicalPlace(proxy.place);
}
