// What one proxy may see of a mesh.
import type { Mesh } from './build-mesh.js';
import type { Proxy } from './proxy.js';
import type { ProxyView } from './proxy-view.js';

/** The view of `proxy`; parts are shared between proxies and between generations while they are equal. */
export function viewOf(_mesh: Mesh, _proxy: Proxy): ProxyView {
  throw new Error('not written yet');
}
