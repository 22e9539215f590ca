// The top of translation: one view in, every Envoy resource of it out. The parts are in their own files; what is
// sent to whom and in which order is not decided here.
import type { ResourcesByType } from '../envoy/resource.js';
import type { ProxyView } from '../mesh/proxy-view.js';
import type { Problem } from '../mesh/rules.js';

/** What translating a view gives: messages by type and name, and what is doubtful in what users wrote. */
export interface Translation {
  resources: ResourcesByType;
  problems: readonly Problem[];
}

/** Translates all that one view sees. Pure: equal inputs give equal, and identical inputs the same, objects. */
export function translate(_view: ProxyView): Translation {
  return { resources: new Map(), problems: [] };
}
