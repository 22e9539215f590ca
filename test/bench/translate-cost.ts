// What one run of `npm run bench -- translate` is asked and what it tells (translate-run.ts, translate.ts).
import type { EditName } from './translate-mesh.js';

export interface TranslateOptions {
  services: number;
  scoped: boolean;
  /** Each in a namespace of its own. */
  proxies: number;
  rounds: number;
  dist: string;
}

export const stages = ['parse', 'accept', 'mesh', 'view', 'translate', 'encode'] as const;

/** CPU time in ms by stage, and Envoy resources encoded anew. */
export type Cost = Record<(typeof stages)[number], number> & { built: number };

export interface TranslateResult {
  cold: Cost;
  edits: Partial<Record<EditName, Cost>>;
  /** Characters of YAML. */
  text: number;
  /** Envoy resources of all proxies together, and of the first one. */
  distinct: number;
  ofOne: number;
  heapMiB: number;
  heapEndMiB: number;
  rssMiB: number;
}
