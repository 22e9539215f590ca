// Raw TCP for tests: a server that says who it is, and clients that say what happened to a connection. Loopback only.
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A server that answers every chunk with `NAME:chunk`; with `banner` it speaks first. */
export async function tcpBackend(
  host: string,
  name: string,
  options: { port?: number; banner?: string } = {},
): Promise<{ port: number; connections(): number; close(): Promise<void> }> {
  let connections = 0;
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    connections++;
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => {});
    if (options.banner !== undefined) socket.write(options.banner);
    socket.on('data', (chunk) => socket.write(`${name}:${chunk}`));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, host, resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** What a connection gave: the bytes until it was enough, and how it ended. */
export interface Exchange {
  text: string;
  /** `enough`: this side closed it, having what it wanted. */
  end: 'enough' | 'closed' | 'reset' | 'refused' | 'timeout';
  ms: number;
}

/** Connects, sends `say`, reads until `enough` holds, and tells. Never throws. */
export function exchange(
  to: { host: string; port: number } | { path: string },
  say: string,
  options: { enough?: (text: string) => boolean; timeoutMs?: number } = {},
): Promise<Exchange> {
  const { enough = (text) => text !== '', timeoutMs = 5_000 } = options;
  const start = performance.now();
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(to);
    const finish = (end: Exchange['end']) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, end, ms: performance.now() - start });
    };
    const timer = setTimeout(() => finish('timeout'), timeoutMs);
    socket.setNoDelay(true);
    socket.on('connect', () => {
      if (say !== '') socket.write(say);
    });
    socket.on('data', (chunk) => {
      text += chunk;
      if (enough(text)) finish('enough');
    });
    socket.on('end', () => finish('closed'));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      finish(error.code === 'ECONNREFUSED' ? 'refused' : 'reset'),
    );
  });
}

/** `count` exchanges one after the other; how often each answer came. */
export async function tally(
  to: { host: string; port: number },
  say: string,
  count: number,
): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const { text, end } = await exchange(to, say);
    const key = text === '' ? end : text;
    seen[key] = (seen[key] ?? 0) + 1;
  }
  return seen;
}
