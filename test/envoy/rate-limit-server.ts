// A rate limit server for tests: envoy.service.ratelimit.v3 over gRPC, which says no to what a test tells it to.
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { decode, encode } from '../../src/envoy/codec.js';

const request = 'envoy.service.ratelimit.v3.RateLimitRequest';
const response = 'envoy.service.ratelimit.v3.RateLimitResponse';

/** One question: the domain, and the first descriptor as `key=value` pairs. */
export interface RateLimitQuestion {
  domain: string;
  entries: string;
}

interface Wire {
  domain?: string;
  descriptors?: { entries?: { key?: string; value?: string }[] }[];
}

export interface RateLimitServer {
  port: number;
  /** What was asked, oldest first. */
  asked: RateLimitQuestion[];
  stop(): void;
}

const service: ServiceDefinition = {
  ShouldRateLimit: {
    path: '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit',
    requestStream: false,
    responseStream: false,
    requestSerialize: (value: object) => encode(request, value),
    requestDeserialize: (bytes: Buffer) => decode(request, bytes),
    responseSerialize: (value: object) => encode(response, value),
    responseDeserialize: (bytes: Buffer) => decode(response, bytes),
  },
};

/** Starts one on a port of its own on 127.0.0.1; `isOver` says whether a request is over its limit. */
export async function startRateLimitServer(
  isOver: (question: RateLimitQuestion) => boolean,
): Promise<RateLimitServer> {
  const asked: RateLimitQuestion[] = [];
  const server = new Server();
  server.addService(service, {
    ShouldRateLimit: (
      call: { request: Wire },
      answer: (error: null, value: { overall_code: string }) => void,
    ) => {
      const { domain = '', descriptors = [] } = call.request;
      const entries = (descriptors[0]?.entries ?? []).map(({ key, value }) => `${key}=${value}`);
      const question = { domain, entries: entries.join() };
      asked.push(question);
      answer(null, { overall_code: isOver(question) ? 'OVER_LIMIT' : 'OK' });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { port, asked, stop: () => server.forceShutdown() };
}
