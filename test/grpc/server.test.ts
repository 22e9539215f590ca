// gRPC servers that take their listeners from the mesh (gRFC A36): they answer once the mesh has a service at their port,
// and are called through the mesh.
import t from 'tap';
import { until } from '../envoy/live-mesh.js';
import { freePort } from '../free-port.js';
import { languages, startXdsServer } from './grpc-client.js';
import { identity, startGrpcMesh, target, workload } from './grpc-mesh.js';

t.setTimeout(90_000);
const scene = await startGrpcMesh();

for (const language of languages) await scene.clients[language].call(target);

for (const language of languages) {
  await t.test(language, async (t) => {
    // An xDS server must be told its port, as its listener is named after it.
    const port = await freePort('127.0.0.1');
    const address = `127.0.0.1:${port}`;
    const labels = { app: 'backend', version: 'v1' };
    const who = identity(scene.mesh, `${language}-server`, labels);
    const stop = startXdsServer(language, scene.mesh.directory, { address, ...who });
    t.teardown(stop);
    const call = async () => {
      const options = { timeoutMs: 500 };
      const { outcomes } = await scene.clients.python.call(address, options);
      return Object.keys(outcomes).join();
    };
    t.not(await call(), `OK ${language}`, 'no service of the mesh is at its port yet');
    await scene.write('server', workload('v1', port));
    await until(10_000, async () => (await call()) === `OK ${language}`);
    t.equal(await call(), `OK ${language}`, 'it answers');
    const served = `OK ${language}`;
    const metInMesh = async () => {
      const { outcomes } = await scene.clients.node.call(target, { count: 9 });
      return (outcomes[served] ?? 0) > 0;
    };
    await until(10_000, metInMesh);
    t.ok(await metInMesh(), 'it is called through the mesh');
    await scene.remove('server');
    t.strictSame(scene.refusals(), [], 'nobody refused anything');
  });
}
