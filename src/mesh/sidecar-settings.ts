// Settings of the mesh that a Sidecar replaces for its workloads.
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from './mesh-settings.js';
import type { Sidecar } from './sidecar.js';

/** The settings for the sidecars that a Sidecar is for: its policy for unknown hosts in place of the mesh's. */
export const settingsOfSidecar = memoize(
  (settings: MeshSettings, sidecar: Sidecar): MeshSettings => {
    const policy = sidecar.outboundTrafficPolicy;
    if (policy === undefined) return settings;
    // REGISTRY_ONLY is the zero value of the API.
    const { mode = 'REGISTRY_ONLY', egressProxy } = policy;
    return { ...settings, outboundTrafficPolicy: mode, ...(egressProxy && { egressProxy }) };
  },
);
