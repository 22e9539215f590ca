// Loaded into a measured process beside its program (node --import): answers, over Node's channel, what the process
// has used. Plain JavaScript, so that nothing that compiles TypeScript is in the process that is measured.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const resolutionMs = 5;
const delay = monitorEventLoopDelay({ resolution: resolutionMs });
delay.enable();
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');
const now = () => performance.timeOrigin + performance.now();

// When the process last did something: most of the CPU time between two looks was used.
let lastBusyMs = now();
let seen = { cpuUs: cpuUs(), atMs: now() };
setInterval(() => {
  const next = { cpuUs: cpuUs(), atMs: now() };
  if (next.cpuUs - seen.cpuUs > (next.atMs - seen.atMs) * 300) lastBusyMs = next.atMs;
  seen = next;
}, 10).unref();

function cpuUs() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

let session;

function post(method, params) {
  return new Promise((resolve, reject) => {
    session.post(method, params, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

const methods = {
  /** Delays are counted from zero from now on. */
  start: () => delay.reset(),
  async startProfile() {
    session = new Session();
    session.connect();
    await post('Profiler.enable');
    await post('Profiler.start');
  },
  async saveProfile(path) {
    const { profile } = await post('Profiler.stop');
    session.disconnect();
    writeFileSync(path, JSON.stringify(profile));
  },
  usage: () => ({
    cpuMs: cpuUs() / 1000,
    lastBusyMs,
    delayP99Ms: Math.max(0, delay.percentile(99) / 1e6 - resolutionMs),
    delayMaxMs: Math.max(0, delay.max / 1e6 - resolutionMs),
    residentBytes: process.memoryUsage.rss(),
  }),
  /** Bytes of the heap, and outside it, that are in use after a collection. */
  heap() {
    for (let i = 0; i < 3; i++) gc();
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    return { heapUsed, external, arrayBuffers };
  },
};

process.on('message', async ({ id, name, args }) => {
  try {
    // The program may still be loading.
    while (!(name in methods) && globalThis.benchQuestions === undefined) await sleep(5);
    const method = methods[name] ?? globalThis.benchQuestions[name];
    process.send({ id, result: await method(...args) });
  } catch (thrown) {
    process.send({ id, error: String(thrown) });
  }
});
process.channel?.unref();
