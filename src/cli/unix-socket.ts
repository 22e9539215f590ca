// A Unix socket's file outlives a server that was killed, and then nobody can listen there. Only a socket that nobody
// answers on is removed; a file of another kind never.
import { existsSync, lstatSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { ControlPlaneError } from '../lib/error.js';

/** Removes a socket file that a dead server left. Throws a ControlPlaneError when the path is in use. */
export async function removeStaleSocket(path: string): Promise<void> {
  if (!existsSync(path)) return;
  if (!lstatSync(path).isSocket()) {
    throw new ControlPlaneError('listen', `${path} is there already and is no socket`);
  }
  if (await answers(path)) {
    throw new ControlPlaneError('listen', `another process listens on ${path}`);
  }
  rmSync(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path, timeout: 1000 });
    const done = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => done(true));
    // A server that is too busy to accept is alive; only a refusal says that nobody is there.
    socket.once('timeout', () => done(true));
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code !== 'ECONNREFUSED'));
  });
}
