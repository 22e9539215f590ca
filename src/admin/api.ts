// /api/v1: resources, problems, proxies and their configuration, generations. Read-only in this version.
import type { FastifyInstance } from 'fastify';
import type { ControlPlaneState, ProxyConfiguration } from '../status/state.js';
import * as schemas from './schemas.js';

type ConfigType = keyof ProxyConfiguration;

/** Fastify plugin with the routes; `state` answers them. */
export async function apiRoutes(
  app: FastifyInstance,
  { state }: { state: ControlPlaneState },
): Promise<void> {
  // Before the first read there is nothing wrong and nobody connected, which would be taken for good news.
  app.addHook('onRequest', async (_request, reply) => {
    if (state.ready()) return;
    const message = 'the mesh has not been read yet';
    await reply.code(503).send({ statusCode: 503, error: 'Service Unavailable', message });
  });
  app.get<{ Querystring: { kind?: string; namespace?: string; name?: string } }>(
    '/resources',
    { schema: schemas.listResources },
    async (request) => ({ items: state.resources(request.query) }),
  );
  app.get<{ Params: { kind: string; namespace: string; name: string } }>(
    '/resources/:kind/:namespace/:name',
    { schema: schemas.oneResource },
    async (request, reply) => {
      const [found] = state.resources(request.params);
      return (
        found ?? reply.code(404).send(notFound('resource', Object.values(request.params).join('/')))
      );
    },
  );
  app.get<{ Querystring: { severity?: string } }>(
    '/problems',
    { schema: schemas.listProblems },
    async (request) => {
      const { severity } = request.query;
      const items = state.problems();
      return { items: severity ? items.filter((p) => p.severity === severity) : items };
    },
  );
  app.get('/proxies', { schema: schemas.listProxies }, async () => ({ items: state.proxies() }));
  app.get<{ Params: { id: string } }>(
    '/proxies/:id',
    { schema: schemas.oneProxy },
    async (request, reply) =>
      state.proxy(request.params.id) ?? reply.code(404).send(notFound('proxy', request.params.id)),
  );
  app.get<{ Params: { id: string }; Querystring: { type?: ConfigType; name?: string } }>(
    '/proxies/:id/config',
    { schema: schemas.proxyConfig },
    async (request, reply) => {
      const configuration = state.proxyConfiguration(request.params.id);
      if (configuration === undefined) {
        return reply.code(404).send(notFound('proxy', request.params.id));
      }
      return selectConfig(configuration, request.query);
    },
  );
  app.get('/generations', { schema: schemas.listGenerations }, async () => ({
    items: state.generations(),
  }));
}

/** Only the type, and only the resources of the name, where they are asked for. */
function selectConfig(
  configuration: ProxyConfiguration,
  { type, name }: { type?: ConfigType; name?: string },
): Partial<ProxyConfiguration> {
  const types = type ? [type] : (Object.keys(configuration) as ConfigType[]);
  return Object.fromEntries(
    types.map((key) => [
      key,
      configuration[key].filter((item) => name === undefined || nameOf(item) === name),
    ]),
  );
}

function nameOf(item: unknown): string | undefined {
  const { name, clusterName } = item as { name?: string; clusterName?: string };
  return name ?? clusterName;
}

function notFound(what: string, name: string) {
  return { statusCode: 404, error: 'Not Found', message: `no ${what} ${name}` };
}
