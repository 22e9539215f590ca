// Steady HTTPS load on a gateway: connections that are kept, one of HTTP/2, or whatever a caller repeats.
import { connect as connectHttp2 } from 'node:http2';
import { Agent, request } from 'node:https';

interface Place {
  host: string;
  port: number;
}

/** What came of a load so far. */
export interface Load {
  requests: number;
  failures: string[];
  connections: number;
  stop(): Promise<void>;
}

/** Workers that repeat `one` until they are stopped; a failure is a text. */
export function repeat(workers: number, one: (load: Load) => Promise<string>): Load {
  let stopped = false;
  const load: Load = {
    ...{ requests: 0, failures: [], connections: 0 },
    async stop() {
      stopped = true;
      await running;
    },
  };
  const worker = async () => {
    while (!stopped) {
      const failure = await one(load);
      load.requests++;
      if (failure !== '') load.failures.push(failure);
    }
  };
  const running = Promise.all(Array.from({ length: workers }, worker));
  return load;
}

/** HTTP/1.1 on connections that are kept. */
export function keepAliveLoad(to: Place, host: string): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: 2 });
  const load = repeat(2, (own) => {
    return new Promise((resolve) => {
      const tls = { servername: host, rejectUnauthorized: false };
      const options = { ...to, agent, headers: { host }, ...tls };
      const sent = request(options, (response) => {
        response
          .resume()
          .on('end', () => resolve(response.statusCode === 200 ? '' : `${response.statusCode}`));
        response.on('error', ({ message }) => resolve(message));
      });
      sent.on('socket', (socket) => {
        if (socket.connecting) own.connections++;
      });
      sent.on('error', ({ message }) => resolve(message));
      sent.end();
    });
  });
  return {
    ...load,
    get requests() {
      return load.requests;
    },
    get connections() {
      return load.connections;
    },
    stop: () => load.stop().then(() => agent.destroy()),
  };
}

/** Requests one after the other on one HTTP/2 connection. */
export function http2Load(to: Place, host: string): Load {
  const options = { servername: host, rejectUnauthorized: false };
  const session = connectHttp2(`https://${to.host}:${to.port}`, options);
  let closing = false;
  const load = repeat(1, () => {
    return new Promise((resolve) => {
      const stream = session.request({ ':path': '/', ':authority': host });
      stream.on('response', ({ ':status': status }) => resolve(status === 200 ? '' : `${status}`));
      stream.on('error', ({ message }) => resolve(message));
      stream.resume();
    });
  });
  for (const event of ['goaway', 'close', 'error']) {
    session.on(event, () => {
      if (!closing) load.failures.push(`HTTP/2 connection: ${event}`);
    });
  }
  return {
    ...load,
    get requests() {
      return load.requests;
    },
    async stop() {
      await load.stop();
      closing = true;
      session.close();
    },
  };
}
