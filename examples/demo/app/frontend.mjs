// The demo's frontend: calls the backend by its name and normal port and shows what it answered, as
// a page for browsers and as JSON for everybody else. It knows nothing of the mesh. It passes on
// the user's headers (end-user, x-request-id and what tracing needs), so that the mesh can route by
// them.
// Environment: PORT (8080), HOST (0.0.0.0), BACKEND_URL (http://backend:8080/), BACKEND_HOST (the
// Host header, where the URL names another address than the service), BACKEND_TIMEOUT_MS (15000).
import { createServer, request as httpRequest } from 'node:http';

const { PORT = '8080', HOST = '0.0.0.0', BACKEND_URL = 'http://backend:8080/' } = process.env;
const timeoutMs = Number(process.env.BACKEND_TIMEOUT_MS ?? 15_000);
const passedOn = ['end-user', 'x-request-id', 'traceparent', 'tracestate', 'user-agent', 'cookie'];

function callBackend(headers) {
  const sent = Object.fromEntries(passedOn.filter((h) => headers[h]).map((h) => [h, headers[h]]));
  if (process.env.BACKEND_HOST) sent.host = process.env.BACKEND_HOST;
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const done = (result) => resolve({ ...result, ms: Math.round(performance.now() - startedAt) });
    const call = httpRequest(BACKEND_URL, { headers: sent, timeout: timeoutMs }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () =>
        done({ status: response.statusCode, body, headers: response.headers }),
      );
      response.on('error', (error) => done({ status: 0, error: error.message }));
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    call.on('error', (error) => done({ status: 0, error: error.message }));
    call.end();
  });
}

function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => escapes[c]);

function page(answer) {
  const version = answer.backend?.version;
  const title = version ? `backend ${version}` : `error (${answer.status || answer.error})`;
  const colour = { v1: '#0b6e4f', v2: '#1f4e9c' }[version] ?? '#9c1f1f';
  return `<!doctype html><meta charset="utf-8"><title>${escaped(title)}</title>
<body style="font: 16px/1.5 system-ui; max-width: 46rem; margin: 3rem auto">
<h1 style="color: ${colour}">${escaped(title)}</h1>
<p>The frontend called ${escaped(BACKEND_URL)}: status ${answer.status} after ${answer.ms} ms. Reload to call again.</p>
<pre style="background: #f4f4f4; padding: 1rem; overflow: auto">${escaped(JSON.stringify(answer, null, 2))}</pre>
`;
}

const server = createServer(async (request, response) => {
  if (request.url === '/healthz') {
    response.end('ok\n');
    return;
  }
  const called = await callBackend(request.headers);
  const answer = {
    status: called.status,
    ms: called.ms,
    ...(called.error ? { error: called.error } : { backend: parsed(called.body) }),
    responseHeaders: called.headers,
  };
  const html = request.headers.accept?.includes('text/html');
  response.writeHead(called.status === 200 ? 200 : 502, {
    'content-type': html ? 'text/html; charset=utf-8' : 'application/json',
    'cache-control': 'no-store',
  });
  response.end(html ? page(answer) : `${JSON.stringify(answer)}\n`);
});
server.listen(Number(PORT), HOST, () => console.log(`frontend on ${HOST}:${PORT}`));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
