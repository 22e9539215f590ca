// The filter of a WasmPlugin. Istio sends it by ECDS; here it is in the listener, so that an Envoy which cannot load
// the module keeps the listener that it has.
import type { WasmPlugin } from '../../mesh/envoy-patch.js';
import { any } from '../any.js';
import { wasmFilterName } from '../names.js';

/** An HTTP or network filter. */
export function wasmFilter({ name, file, spec }: WasmPlugin): object {
  const { pluginConfig, pluginName, failStrategy, vmConfig, type } = spec;
  const env = vmConfig?.env ?? [];
  const values = env.filter(({ valueFrom }) => valueFrom !== 'HOST');
  const hostKeys = env.filter(({ valueFrom }) => valueFrom === 'HOST');
  const config = {
    name,
    ...(pluginName && { root_id: pluginName }),
    ...(pluginConfig &&
      Object.keys(pluginConfig).length > 0 && {
        configuration: any('google.protobuf.StringValue', { value: JSON.stringify(pluginConfig) }),
      }),
    ...(failStrategy === 'FAIL_OPEN' && { fail_open: true }),
    // An Envoy that does not know it fails closed.
    ...(failStrategy === 'FAIL_RELOAD' && { failure_policy: 'FAIL_RELOAD' }),
    vm_config: {
      runtime: 'envoy.wasm.runtime.v8',
      code: { local: { filename: file } },
      ...(env.length > 0 && {
        environment_variables: {
          host_env_keys: hostKeys.map((each) => each.name),
          key_values: Object.fromEntries(values.map((each) => [each.name, each.value ?? ''])),
        },
      }),
    },
  };
  const kind = type === 'NETWORK' ? 'network' : 'http';
  return {
    name: wasmFilterName(name),
    typed_config: any(`envoy.extensions.filters.${kind}.wasm.v3.Wasm`, { config }),
  };
}
