// What is served in place of a resource that an Envoy refuses because of a patch of an EnvoyFilter: the same without
// that patch. What can be told here is left out before (translate/envoy-filter/defect.ts); the rest only Envoy knows.
import type { TypeUrl } from './envoy/resource.js';
import { memoize } from './lib/memo.js';
import type { EnvoyFilterPatch } from './mesh/envoy-patch.js';
import type { ProxyView } from './mesh/proxy-view.js';
import { encodeResource } from './snapshot/encode.js';
import type { EncodedResource } from './snapshot/snapshot.js';
import type { ServedView } from './status/proxies.js';
import { translate } from './translate/translate.js';
import { quotedTexts } from './xds/nack.js';
import type { RefusedResource } from './xds/server.js';

/** More patches than this are not tried one by one. */
const triesMax = 8;

/**
 * The refused resource without one of the patches that changed it, for each of them: those with something that Envoy
 * quotes first, then the last one first, which saw the others' work. Never without several, as one that is vital may be
 * among them. None where no patch did, or the view has moved on.
 */
export function withoutPatch(
  { view, translation, snapshot }: ServedView,
  { typeUrl, name, version, message }: Omit<RefusedResource, 'node'>,
): readonly EncodedResource[] {
  const type = typeUrl as TypeUrl;
  if (snapshot.types.get(type)?.resources.get(name)?.version !== version) return [];
  // A plugin is said to be vital or not by its failStrategy, which is Envoy's to keep.
  const patches = (translation.patches?.on(type, name) ?? []).filter(({ plugin }) => !plugin);
  const made = suspectsFirst(patches, message)
    .slice(0, triesMax)
    .flatMap((patch) => {
      const rest = translate(viewWithout(view, patch)).resources.get(type)?.get(name);
      return rest === undefined ? [] : [encodeResource(typeUrl, name, rest)];
    });
  return made.filter((each) => each.version !== version);
}

function suspectsFirst(
  patches: readonly EnvoyFilterPatch[],
  message: string,
): readonly EnvoyFilterPatch[] {
  const quoted = quotedTexts(message).map((text) => JSON.stringify(text).slice(1, -1));
  const isSuspect = ({ value }: EnvoyFilterPatch) => {
    const text = JSON.stringify(value ?? '');
    return quoted.some((each) => text.includes(each));
  };
  const lastFirst = [...patches].reverse();
  return [...lastFirst.filter(isSuspect), ...lastFirst.filter((patch) => !isSuspect(patch))];
}

/** The same view for the same patch: many resources may be refused for it. */
const viewWithout = memoize((view: ProxyView, patch: EnvoyFilterPatch): ProxyView => {
  const { envoyFilters = [], ...rest } = view;
  const others = envoyFilters.filter((each) => each !== patch);
  return others.length === 0 ? rest : { ...rest, envoyFilters: others };
});
