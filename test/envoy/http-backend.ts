// HTTP servers and a client for tests with real Envoys. The server does what request headers tell it and remembers
// what it was asked; the client can name any Host.
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as the server saw it. */
export interface Seen {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
}

/** A server on a port of its own on 127.0.0.1. */
export interface HttpBackend {
  readonly port: number;
  /** Requests since the start, oldest first. */
  readonly seen: Seen[];
  close(): Promise<void>;
}

/**
 * Starts a server that answers with what it saw, as JSON, and its name in `x-backend`. Request headers steer it:
 * `x-status` is the status to answer with, `x-fail-first: N` makes the first N tries of an `x-id` a 503, and
 * `x-wait` is a time in ms before the answer.
 */
export async function startBackend(name: string): Promise<HttpBackend> {
  const seen: Seen[] = [];
  const server = createServer((incoming, response) => {
    const { method = '', url = '', headers } = incoming;
    seen.push({ method, url, headers });
    const tries = seen.filter((each) => each.headers['x-id'] === headers['x-id']).length;
    const failing = tries <= Number(headers['x-fail-first'] ?? 0);
    const answer = () => {
      response.writeHead(failing ? 503 : Number(headers['x-status'] ?? 200), {
        'x-backend': name,
        'x-attempt': String(headers['x-envoy-attempt-count'] ?? ''),
      });
      response.end(JSON.stringify({ method, url, headers }));
    };
    incoming.resume();
    setTimeout(answer, Number(headers['x-wait'] ?? 0));
  });
  server.on('upgrade', (_incoming, socket) => {
    socket.end(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** An answer. */
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
  /** What the backend saw, when a backend answered. */
  seen: Seen;
  /** From sending to the end of the body, in ms. */
  tookMs: number;
}

/** Sends one request to 127.0.0.1:`port`; `url` is `HOST/PATH`. Redirects are not followed. */
export function call(
  port: number,
  url: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const slash = url.indexOf('/');
  const host = slash < 0 ? url : url.slice(0, slash);
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        path: slash < 0 ? '/' : url.slice(slash),
        method: options.method ?? 'GET',
        headers: { ...options.headers, host },
        timeout: 10_000,
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () => {
          const { statusCode: status = 0, headers } = response;
          const seen = body.startsWith('{') ? (JSON.parse(body) as Seen) : noRequest;
          resolve({ status, headers, body, seen, tookMs: performance.now() - started });
        });
        response.on('error', reject);
      },
    );
    sent.on('upgrade', (response, socket) => {
      socket.destroy();
      const { statusCode: status = 0, headers } = response;
      const tookMs = performance.now() - started;
      resolve({ status, headers, body: '', seen: noRequest, tookMs });
    });
    sent.on('timeout', () => sent.destroy(new Error(`${url}: no answer in 10 s`)));
    sent.on('error', reject);
    sent.end();
  });
}

const noRequest: Seen = { method: '', url: '', headers: {} };
