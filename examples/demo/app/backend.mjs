// The demo's backend: answers every request with its version and the headers that arrived. It knows
// nothing of the mesh.
// Environment: PORT (8080), HOST (0.0.0.0), VERSION (v1).
import { createServer } from 'node:http';
import { hostname } from 'node:os';

const { PORT = '8080', HOST = '0.0.0.0', VERSION = 'v1', NAME = hostname() } = process.env;

const server = createServer((request, response) => {
  const answer = { version: VERSION, host: NAME, path: request.url, headers: request.headers };
  response.writeHead(200, { 'content-type': 'application/json', 'x-backend-version': VERSION });
  response.end(`${JSON.stringify(answer)}\n`);
});
server.keepAliveTimeout = 60_000;
server.listen(Number(PORT), HOST, () => console.log(`backend ${VERSION} on ${HOST}:${PORT}`));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
