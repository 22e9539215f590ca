// Steady load through an Envoy: a few connections kept busy, every answer counted. Bounded by `stop` and by time.
import { Agent, request } from 'node:http';

export interface LoadResult {
  requests: number;
  /** Answers that were not 200, and requests without an answer, with what was wrong. */
  failures: string[];
  /** Answers by body. */
  answers: Map<string, number>;
}

/** One request; rejects without an answer. */
export function get(
  url: string,
  options: { headers?: Record<string, string>; agent?: Agent; timeoutMs?: number } = {},
): Promise<{
  status: number;
  body: string;
  headers: Record<string, string | string[] | undefined>;
}> {
  return new Promise((resolve, reject) => {
    const { headers, agent, timeoutMs: timeout = 5000 } = options;
    const call = request(url, { headers, agent, timeout }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body, headers: response.headers }),
      );
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${timeout} ms`)));
    call.on('error', reject);
    call.end();
  });
}

/** Starts the load; `stop` ends it and gives the result. Ends by itself after `secondsMax`. */
export function startLoad(
  url: string,
  options: { headers?: Record<string, string>; connections?: number; secondsMax?: number } = {},
): { requests(): number; stop(): Promise<LoadResult> } {
  const { headers, connections = 4, secondsMax = 60 } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const result: LoadResult = { requests: 0, failures: [], answers: new Map() };
  const deadline = performance.now() + secondsMax * 1000;
  let stopped = false;
  const worker = async (): Promise<void> => {
    while (!stopped && performance.now() < deadline) {
      result.requests++;
      try {
        const { status, body, headers: got } = await get(url, { headers, agent });
        if (status === 200) result.answers.set(body, (result.answers.get(body) ?? 0) + 1);
        else result.failures.push(`${status} ${body} ${JSON.stringify(got)}`);
      } catch (error) {
        result.failures.push(String(error));
      }
    }
  };
  const workers = Array.from({ length: connections }, worker);
  return {
    requests: () => result.requests,
    stop: async () => {
      stopped = true;
      await Promise.all(workers);
      agent.destroy();
      return result;
    },
  };
}
