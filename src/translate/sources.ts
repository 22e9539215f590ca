// Which user resources an Envoy resource was made of, found from its name: a NACK names the Envoy resource, the
// user wants the file. Kept out of the messages themselves (DESIGN.md, invariant 10).
import type { ResourceName, TypeUrl } from '../envoy/resource.js';
import type { ProxyView } from '../mesh/proxy-view.js';
import type { ResourceId } from '../mesh/rules.js';

/** The resources that shaped the named Envoy resource in this view, most telling first; empty when unknown. */
export function sourcesOf(
  _view: ProxyView,
  _typeUrl: TypeUrl,
  _name: ResourceName,
): readonly ResourceId[] {
  return [];
}
