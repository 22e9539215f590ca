// Findings over the whole mesh: references that lead nowhere, rules that never apply.
import type { Problem } from '../kinds/problem.js';
import type { Mesh } from './build-mesh.js';

/** Everything worth telling the user; each has `resource` and `path`, positions are the caller's to fill in. */
export function analyzeMesh(_mesh: Mesh): readonly Problem[] {
  throw new Error('not written yet');
}
