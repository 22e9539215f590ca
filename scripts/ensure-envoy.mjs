// Makes sure that an Envoy is there and prints its path (stdout); what it does on the way goes to
// stderr. The looking and fetching is src/cli/envoy-binary.ts.
import { register } from 'tsx/esm/api';

register();
const { ensureEnvoy } = await import('../src/cli/envoy-binary.ts');
try {
  const envoy = await ensureEnvoy({ say: (line) => console.error(line) });
  console.log(envoy.path);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
