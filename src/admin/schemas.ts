// What each route of the API takes and gives, as JSON schema: Fastify checks requests by it, and the OpenAPI page
// is made from it.

const object = (properties: Record<string, unknown>, extra: Record<string, unknown> = {}) => ({
  type: 'object',
  properties,
  ...extra,
});
const text = { type: 'string' };
const integer = { type: 'integer' };
const number = { type: 'number' };
const open = { type: 'object', additionalProperties: true };
const anything = { additionalProperties: true };
const list = (items: unknown) => object({ items: { type: 'array', items } });

const position = object({ file: text, line: integer, col: integer });
const resourceId = object({ kind: text, namespace: text, name: text });
const resource = object({
  apiVersion: text,
  kind: text,
  namespace: text,
  name: text,
  labels: open,
  annotations: open,
  generation: integer,
  creationTimestampMs: number,
  position,
  spec: anything,
  status: anything,
  registeredBy: text,
});
const problem = object({
  code: text,
  istio: text,
  severity: { type: 'string', enum: ['error', 'warning', 'info'] },
  message: text,
  resource: resourceId,
  path: text,
  position,
  proxy: text,
  proxies: { type: 'array', items: text },
});
const causes = {
  type: 'array',
  items: object({ kind: text, namespace: text, name: text, position }),
};
const nack = object({
  message: text,
  timeMs: integer,
  resources: { type: 'array', items: text },
  causes,
});
const heldResource = object({ name: text, version: text, inForce: text, message: text, causes });
const typeStatus = object({
  state: { type: 'string', enum: ['SYNCED', 'STALE', 'NOT SENT', 'HELD', 'ERROR'] },
  sentVersion: text,
  ackedVersion: text,
  sentMs: integer,
  ackedMs: integer,
  resources: integer,
  lastNack: nack,
  heldBack: { type: 'array', items: heldResource },
});
const proxy = object({
  id: text,
  name: text,
  namespace: text,
  type: text,
  address: text,
  identity: text,
  envoyVersion: text,
  variant: { type: 'string', enum: ['sotw', 'delta'] },
  connectedMs: integer,
  view: text,
  types: { type: 'object', additionalProperties: typeStatus },
});
const error = object({ statusCode: integer, error: text, message: text });
const proxyId = object({
  id: { type: 'string', description: 'node.id, or name.namespace, or name where unambiguous' },
});

export const listResources = {
  summary: 'The resources in force, with the place each was read from',
  tags: ['mesh'],
  querystring: object({ kind: text, namespace: text, name: text }),
  response: { 200: list(resource) },
};
export const oneResource = {
  summary: 'One resource',
  tags: ['mesh'],
  params: object({ kind: text, namespace: text, name: text }),
  response: { 200: resource, 404: error },
};
export const listProblems = {
  summary: 'What is wrong now, with file, line and column',
  tags: ['mesh'],
  querystring: object({ severity: { type: 'string', enum: ['error', 'warning', 'info'] } }),
  response: { 200: list(problem) },
};
export const listProxies = {
  summary: 'Connected proxies and where each stands, by type',
  tags: ['proxies'],
  response: { 200: list(proxy) },
};
export const oneProxy = {
  summary: 'One proxy',
  tags: ['proxies'],
  params: proxyId,
  response: { 200: proxy, 404: error },
};
export const proxyConfig = {
  summary: 'The configuration made for a proxy, as canonical protobuf JSON',
  tags: ['proxies'],
  params: proxyId,
  querystring: object({
    type: { type: 'string', enum: ['clusters', 'endpoints', 'listeners', 'routes'] },
    name: text,
  }),
  response: { 200: open, 404: error },
};
export const listGenerations = {
  summary: 'The latest accepted states of the mesh and what changed in each',
  tags: ['mesh'],
  response: {
    200: list(
      object({
        id: integer,
        timeMs: integer,
        added: { type: 'array', items: text },
        updated: { type: 'array', items: text },
        removed: { type: 'array', items: text },
      }),
    ),
  },
};
