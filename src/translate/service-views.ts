// What is made of services as a view has them, where it asks nothing of the rules that are in force for them: an edit of
// a DestinationRule leaves it as it is.
import { amendable, type Replacement } from '../lib/replaced.js';
import type { ServiceView } from '../mesh/proxy-view.js';

/** Remembers a function that looks at services and not at their rules. */
export function ofServices<Result>(
  compute: (views: readonly ServiceView[]) => Result,
): (views: readonly ServiceView[]) => Result {
  return amendable(compute, ({ result, changes }) => (sameServices(changes) ? result : undefined));
}

/** Whether only other rules are in force. */
export function sameServices(changes: readonly Replacement<ServiceView>[]): boolean {
  return changes.every(({ before, after }) => before.service === after.service);
}
