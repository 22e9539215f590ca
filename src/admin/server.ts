// The admin server: health, metrics, and the API under /api/v1, described by OpenAPI at /docs. It asks the
// control plane through ControlPlaneState and knows nothing of how answers come about.
import { createHash, timingSafeEqual } from 'node:crypto';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import Fastify, { type FastifyInstance } from 'fastify';
import type { ControlPlaneState } from '../status/state.js';
import { apiRoutes } from './api.js';

export interface AdminOptions {
  state: ControlPlaneState;
  /** The metrics page in Prometheus' text format, with its content type. */
  metrics: () => Promise<{ contentType: string; text: string }>;
  /** When given, every request that could change something must carry it as bearer token. */
  token?: string;
  version: string;
}

/**
 * Builds the server without listening, so that tests can `inject`. Errors are JSON:
 * `{statusCode, error, message}`, as Fastify has them.
 */
export async function createAdminServer(options: AdminOptions): Promise<FastifyInstance> {
  const { state } = options;
  const app = Fastify({ logger: false, forceCloseConnections: true });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'fairlead admin API',
        description: 'What the mesh is, what is wrong with it, and what each Envoy holds.',
        version: options.version,
      },
    },
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });

  app.addHook('onRequest', async (request, reply) => {
    if (request.method === 'GET' || request.method === 'HEAD' || options.token === undefined)
      return;
    if (bearerMatches(request.headers.authorization, options.token)) return;
    await reply
      .code(401)
      .send({ statusCode: 401, error: 'Unauthorized', message: 'a bearer token is needed' });
  });
  app.get(
    '/healthz',
    { schema: { summary: 'The process is alive', tags: ['health'] } },
    async () => ({
      status: 'ok',
    }),
  );
  app.get(
    '/readyz',
    { schema: { summary: 'The first full read of the mesh is served', tags: ['health'] } },
    async (_request, reply) =>
      state.ready() ? { status: 'ok' } : reply.code(503).send({ status: 'not ready' }),
  );
  app.get(
    '/metrics',
    { schema: { summary: "Metrics in Prometheus' text format", tags: ['health'] } },
    async (_request, reply) => {
      const { contentType, text } = await options.metrics();
      return reply.header('content-type', contentType).send(text);
    },
  );
  await app.register(apiRoutes, { prefix: '/api/v1', state });
  return app;
}

// Compared by digest, so that neither length nor content of the token shows in the time it takes.
function bearerMatches(header: string | undefined, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`));
}
