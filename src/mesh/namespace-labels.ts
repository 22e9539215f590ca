// Labels of namespaces, and selectors that look at them (Gateway API, MeshConfig.serviceEntryVisibility).
import type { Resource } from '../kinds/resource.js';
import { memoize } from '../lib/memo.js';

/** A selector of Kubernetes: all parts must hold, and none selects all. */
export interface LabelSelector {
  matchLabels?: Readonly<Record<string, string>> | undefined;
  matchExpressions?:
    | readonly {
        key?: string | undefined;
        operator?: string | undefined;
        values?: string[] | undefined;
      }[]
    | undefined;
}

/** The Namespaces that are written down, by name. */
export const namespacesByName = memoize(
  (namespaces: readonly Resource[]) => new Map(namespaces.map((each) => [each.name, each])),
);

/** The labels of a namespace, whether it is written down or not; Kubernetes gives each the label of its name. */
export function namespaceLabels(
  namespaces: readonly Resource[],
  name: string,
): Readonly<Record<string, string>> {
  const labels = namespacesByName(namespaces).get(name)?.labels;
  return { ...labels, 'kubernetes.io/metadata.name': name };
}

/** Whether a selector selects what has the labels. */
export function selectsLabels(
  selector: LabelSelector | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key = '', operator, values = [] }) => {
      const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
      if (operator === 'Exists') return value !== undefined;
      if (operator === 'DoesNotExist') return value === undefined;
      const isOne = value !== undefined && values.includes(value);
      return operator === 'In' ? isOne : !isOne;
    })
  );
}
