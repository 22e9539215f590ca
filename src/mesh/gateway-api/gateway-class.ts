// Which Gateways are ours: by the controller of their class, or by the name of the class where nobody made one.

import type { GatewayClassSpec } from '../../kinds/kubernetes-gateway.js';
import type { Resource } from '../../kinds/resource.js';
import { memoize } from '../../lib/memo.js';

/** What status names as the controller. */
export const OUR_CONTROLLER = 'fairlead.io/gateway-controller';
const ISTIO_CONTROLLER = 'istio.io/gateway-controller';

/** Classes that need no GatewayClass, since nothing installs one. */
const builtIn: Readonly<Record<string, string>> = {
  istio: ISTIO_CONTROLLER,
  fairlead: OUR_CONTROLLER,
};

const byName = memoize(
  (classes: readonly Resource[]) => new Map(classes.map((each) => [each.name, each])),
);

/** The controller of a class if it is ours, or Istio's in whose place we are; undefined: leave it alone. */
export function controllerOf(classes: readonly Resource[], className: string): string | undefined {
  const written = byName(classes).get(className);
  const controller =
    written === undefined
      ? Object.hasOwn(builtIn, className) && builtIn[className]
      : (written.spec as GatewayClassSpec).controllerName;
  return controller === OUR_CONTROLLER || controller === ISTIO_CONTROLLER ? controller : undefined;
}

/** Whether a GatewayClass is ours. */
export function isOurs({ spec }: Resource): boolean {
  const { controllerName } = spec as GatewayClassSpec;
  return controllerName === OUR_CONTROLLER || controllerName === ISTIO_CONTROLLER;
}
