// WasmPlugin of extensions.istio.io: WebAssembly filters from files of the sidecar's host. The rules that need more
// than one field are in wasm-plugin-check.ts.
import type { z } from 'zod';
import { noEffect } from './field.js';
import { enumeration, list, message } from './schema.js';
import { targetRef } from './target-ref.js';
import { int32, labels, portSelector, string, struct } from './values.js';

const remoteOnly = 'It is for modules that are fetched.';

/** Opening of the page in docs/kinds/. */
export const wasmPluginDoc = [
  'WebAssembly filters in sidecars, from a file that the Envoy itself can read. Plugins of the root namespace are for',
  'all namespaces. They come first in a chain: AUTHN, AUTHZ, STATS, then those without a phase; within a phase, by',
  'priority. An Envoy that cannot load a file refuses the listener: what was in force stays.',
].join('\n');

/** The spec of a WasmPlugin. */
export const wasmPluginSpec = message(
  {
    selector: message({
      matchLabels: labels.describe('labels of the workloads; all of the namespace when absent'),
    }).describe('the proxies that it is for'),
    targetRef: targetRef.describe('a gateway that it is for'),
    targetRefs: list(targetRef).describe('gateways that it is for'),
    url: string.describe('`file:///PATH`, on the host of the Envoy; others are not implemented'),
    sha256: noEffect(string, remoteOnly),
    imagePullPolicy: noEffect(
      enumeration(['UNSPECIFIED_POLICY', 'IfNotPresent', 'Always']),
      remoteOnly,
    ),
    imagePullSecret: noEffect(string, remoteOnly),
    verificationKey: noEffect(string, 'Istio does not read it either.'),
    pluginConfig: struct.describe('given to the module as JSON'),
    pluginName: string.describe('root id: which of the plugins of the module'),
    phase: enumeration(['UNSPECIFIED_PHASE', 'AUTHN', 'AUTHZ', 'STATS']).describe(
      'where it stands',
    ),
    priority: int32.describe('higher ones come first; 0 when absent'),
    failStrategy: enumeration(['FAIL_CLOSE', 'FAIL_OPEN', 'FAIL_RELOAD']).describe(
      'what happens to traffic when the module fails',
    ),
    vmConfig: message({
      env: list(
        message(
          {
            name: string.describe('name of the variable'),
            valueFrom: enumeration(['INLINE', 'HOST']).describe('from `value`, or as Envoy has it'),
            value: string.describe('its value'),
          },
          'name',
        ),
      ).describe('environment variables'),
    }).describe('the virtual machine'),
    match: list(
      message({
        mode: enumeration(['UNDEFINED', 'CLIENT', 'SERVER', 'CLIENT_AND_SERVER']).describe(
          'outbound, inbound or both',
        ),
        ports: list(portSelector).describe('ports of services (outbound) or of the workload'),
      }),
    ).describe('the traffic that it is for, any of these; all when absent'),
    type: enumeration(['UNSPECIFIED_PLUGIN_TYPE', 'HTTP', 'NETWORK']).describe('HTTP when absent'),
  },
  'url',
);

export type WasmPluginSpec = z.output<typeof wasmPluginSpec>;
