// ProxyConfig of networking.istio.io: how Envoys of a namespace, or of some workloads, are started. What the control
// plane sends is not decided here. (The message of that name behind MeshConfig's defaultConfig is proxy-defaults.ts.)
import type { z } from 'zod';
import { noEffect } from './field.js';
import type { Check } from './finding.js';
import { message } from './schema.js';
import { checkSelectorLabels } from './selector-check.js';
import { int32, labels, string, stringMap } from './values.js';

/** Opening of the page in docs/kinds/. */
export const proxyConfigDoc = [
  'How Envoys are started: Istio gives it to its injector and its agent, which start them. With fairlead whoever starts',
  'an Envoy says so himself, so a ProxyConfig is checked and has no effect.',
].join('\n');

/** The spec of a ProxyConfig. */
export const proxyConfigSpec = message({
  selector: noEffect(
    message({ matchLabels: labels }),
    "No field of a ProxyConfig is the control plane's.",
  ),
  concurrency: noEffect(int32, 'Threads are a flag of Envoy: `envoy --concurrency N`.'),
  environmentVariables: noEffect(
    stringMap,
    "They are of Envoy's process; what Istio's agent makes of ISTIO_META_NAME is `fairlead bootstrap --metadata`.",
  ),
  image: noEffect(
    message({ imageType: string }),
    'Any Envoy will do; who starts it chooses the image.',
  ),
});

export type ProxyConfigSpec = z.output<typeof proxyConfigSpec>;

/** Checks a ProxyConfig beyond its schema. */
export const checkProxyConfig: Check<ProxyConfigSpec> = ({ selector, concurrency }, findings) => {
  checkSelectorLabels(findings, ['selector', 'matchLabels'], selector?.matchLabels);
  if ((concurrency ?? 0) < 0) findings.invalid(['concurrency'], 'must not be negative');
};
