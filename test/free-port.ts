// Ports for tests that must name one before anybody listens there.
import { createServer } from 'node:net';

/**
 * Below the ports that Linux gives to who asks for any (from 32768 on): there another process's connection may take a
 * port between its being found and its being used.
 */
const [FIRST, COUNT] = [28_000, 4_700];
const given = new Set<number>();

/** A port that nobody listens at now on this address, and that this process has not been given before. */
export async function freePort(host = '0.0.0.0'): Promise<number> {
  for (let tries = 0; tries < 1_000; tries++) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (given.has(port) || !(await isFree(port, host))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port on ${host}`);
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
