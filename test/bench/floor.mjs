// The floor: a plain node:http2 server that writes prebuilt gRPC messages, recorded from the real one, to the streams
// that get them, each gated on the acknowledgement of the one before. It knows nothing of xDS but where in a request
// the type is. What it takes is what Node and the machine take.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http2';

// The tag of the field that follows may look like a letter.
const typePattern =
  /type\.googleapis\.com\/envoy\.config\.[a-z]+\.v3\.(Cluster(LoadAssignment)?|Listener|RouteConfiguration)/;
const streams = new Map();
let script = { messages: [], sidecars: {} };

const server = createServer({ maxSessionMemory: 1000 });
server.on('session', (session) => session.on('error', () => undefined));
server.on('stream', (stream, headers) => {
  const index = Number(headers['x-sidecar']);
  const state = {
    index,
    stream,
    asked: new Set(),
    queue: [...(script.sidecars[index] ?? [])],
    last: '',
  };
  state.acknowledged = true;
  streams.set(index, state);
  stream.on('error', () => undefined);
  stream.on('close', () => streams.get(index) === state && streams.delete(index));
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
  eachMessage(stream, (head, tail) => {
    const type = (typePattern.exec(head) ?? typePattern.exec(tail))?.[0] ?? '';
    state.asked.add(type);
    if (type === state.last) state.acknowledged = true;
    advance(state);
  });
});

/** Calls `each` with the first and last bytes of every message. */
function eachMessage(stream, each) {
  let held = Buffer.alloc(0);
  let chunks = [];
  let length = 0;
  stream.on('data', (chunk) => {
    chunks.push(chunk);
    length += chunk.length;
    const first = chunks[0];
    if (first.length >= 5 && length < first.readUInt32BE(1) + 5) return;
    held = chunks.length === 1 ? first : Buffer.concat(chunks);
    while (held.length >= 5) {
      const end = held.readUInt32BE(1) + 5;
      if (held.length < end) break;
      const head = held.toString('latin1', 5, Math.min(end, 400));
      each(head, held.toString('latin1', Math.max(5, end - 300), end));
      held = held.subarray(end);
    }
    chunks = held.length > 0 ? [held] : [];
    length = held.length;
  });
}

function advance(state) {
  const next = script.messages[state.queue[0]];
  if (next === undefined || !state.acknowledged || !state.asked.has(next.typeUrl)) return;
  state.queue.shift();
  state.last = next.typeUrl;
  state.acknowledged = false;
  // In the real one's, too, the inbound parts of clusters and listeners differ: no sidecar may take one for another's.
  const tail = /\.(Cluster|Listener)$/.test(next.typeUrl) ? ownField(state.index) : Buffer.alloc(0);
  state.stream.cork();
  state.stream.write(head(next.body.length + tail.length));
  state.stream.write(next.body);
  if (tail.length > 0) state.stream.write(tail);
  state.stream.uncork();
}

/** A field that no response has (15), with a text of six characters. */
function ownField(index) {
  return Buffer.from(`\x7a\x06${String(index).padStart(6, '0')}`);
}

/** What stands before a message on the wire: no compression, and its length. */
function head(length) {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

globalThis.benchQuestions = {
  listen: () =>
    new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve(`127.0.0.1:${server.address().port}`));
    }),
  /** Reads what is to be sent in the next step. */
  load(path) {
    const { messages, sidecars } = JSON.parse(readFileSync(`${path}.json`, 'utf8'));
    const bodies = readFileSync(`${path}.bin`);
    const prebuilt = messages.map(({ typeUrl, at, length }) => ({
      typeUrl,
      body: bodies.subarray(at, at + length),
    }));
    script = { messages: prebuilt, sidecars };
  },
  /** Sends it to the streams that are there. */
  play() {
    for (const [index, state] of streams) {
      state.queue = [...(script.sidecars[index] ?? [])];
      state.acknowledged = true;
      advance(state);
    }
  },
};
// The channel is the only thing that keeps the process alive before it listens.
process.channel?.ref();
process.on('disconnect', () => process.exit(0));
