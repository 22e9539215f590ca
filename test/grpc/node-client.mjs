// A gRPC client in Node for the tests of gRPC without proxies: the same commands as python-client.py.
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { register } from '@grpc/grpc-js-xds';

register();
const clients = new Map();
const loads = new Map();
const same = (bytes) => bytes;

function clientOf(target) {
  let client = clients.get(target);
  if (client === undefined) {
    client = new Client(target, credentials.createInsecure());
    clients.set(target, client);
  }
  return client;
}

function call({ target, metadata = {}, timeoutMs = 5000, details = false }) {
  const sent = new Metadata();
  for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
  const options = { deadline: Date.now() + timeoutMs };
  return new Promise((resolve) => {
    const done = (error, body) => {
      if (error === null) resolve(`OK ${body}`);
      else resolve(`${status[error.code]}${details ? ` ${error.details}` : ''}`);
    };
    const path = '/demo.Backend/Call';
    clientOf(target).makeUnaryRequest(path, same, same, Buffer.alloc(0), sent, options, done);
  });
}

async function calls(command) {
  const outcomes = {};
  let left = command.count ?? 1;
  const worker = async (index) => {
    // Calls of one and the same moment are all picked before the first of them is counted.
    await sleep(index * 5);
    while (left-- > 0) add(outcomes, await call(command));
  };
  await Promise.all(Array.from({ length: command.concurrency ?? 1 }, (_, i) => worker(i)));
  return outcomes;
}

async function load(command, state) {
  const outcomes = {};
  while (!state.stopped) {
    add(outcomes, await call(command));
    await sleep(command.gapMs ?? 2);
  }
  return outcomes;
}

function add(outcomes, outcome) {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}

async function run(command) {
  const { op, target } = command;
  if (op === 'load') {
    const state = { stopped: false };
    loads.set(target, { state, result: load(command, state) });
    return {};
  }
  if (op === 'stop') {
    const { state, result } = loads.get(target);
    loads.delete(target);
    state.stopped = true;
    return result;
  }
  return calls(command);
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const started = performance.now();
  void run(command).then((outcomes) => {
    const answer = { id: command.id, outcomes, ms: performance.now() - started };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  });
}
process.exit(0);
