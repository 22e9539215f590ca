// Makes sure that an Envoy is there and prints its path (stdout); what it does on the way goes to
// stderr. `--oldest`: the oldest release that the tests run against, `--version X`: that one. The
// looking and fetching is src/cli/envoy-binary.ts.
import { parseArgs } from 'node:util';
import { register } from 'tsx/esm/api';

const { oldest, version } = parseArgs({
  options: { oldest: { type: 'boolean' }, version: { type: 'string' } },
}).values;
register();
const { ensureEnvoy, oldestEnvoyVersion } = await import('../src/cli/envoy-binary.ts');
try {
  const wanted = oldest ? oldestEnvoyVersion : version;
  const say = (line) => console.error(line);
  const envoy = await ensureEnvoy({ say, ...(wanted === undefined ? {} : { version: wanted }) });
  console.log(envoy.path);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
