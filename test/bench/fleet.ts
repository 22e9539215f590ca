// The process of the simulated sidecars, told what to do by the benchmark's own process (processes.ts). It counts
// what comes, and writes down the responses of a step so that the floor can send the very same ones.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from '../../src/envoy/codec.js';
import type { TypeUrl } from '../../src/envoy/resource.js';
import { BenchSidecar } from './bench-sidecar.js';
import { answerQuestions } from './processes.js';
import type { AdsResponse, Variant } from './read-response.js';

/** What a fleet is asked; each question is answered when it is done. */
export interface FleetQuestions {
  /** Connects all sidecars, the first time; done when all are configured. */
  connect(address: string, variant: Variant, nodes: object[]): Promise<void>;
  /** Drops all connections, or `count` of them from `first` on, and opens them again with what is held. */
  reconnect(first: number, count: number): Promise<void>;
  /** Counts from zero from now on; with a recording, writes down what comes. */
  start(record: boolean): void;
  counts(): FleetCounts;
  /** Writes what was recorded since `start` to two files, and forgets it. */
  save(directory: string, step: string): void;
}

/** What came since the last `start`. */
export interface FleetCounts {
  responses: number;
  resources: number;
  bytes: number;
  byType: Record<string, number>;
  /** When the last response was acknowledged, in ms since the epoch; 0: none came. */
  lastAckMs: number;
  /** Sidecars without a stream. */
  down: number;
}

/** What each sidecar got in a step; messages that are the n-th of their type are taken for equal. */
export interface Recording {
  messages: { typeUrl: TypeUrl; at: number; length: number }[];
  /** Indices into `messages`, by the sidecar's index. */
  sidecars: Record<number, number[]>;
}

const sidecars: BenchSidecar[] = [];
const down = new Set<BenchSidecar>();
let counts = noCounts();
let recording: Recorder | undefined;

class Recorder {
  readonly bodies: Buffer[] = [];
  readonly types: TypeUrl[] = [];
  readonly bySidecar = new Map<number, number[]>();
  readonly #places = new Map<string, number>();

  note(index: number, typeUrl: TypeUrl, body: Buffer): void {
    const got = this.bySidecar.get(index) ?? [];
    this.bySidecar.set(index, got);
    const key = `${typeUrl} ${got.filter((place) => this.types[place] === typeUrl).length}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.bodies.push(Buffer.from(body)) - 1;
      this.types.push(typeUrl);
      this.#places.set(key, place);
    }
    got.push(place);
  }

  save(path: string): void {
    let at = 0;
    const messages = this.bodies.map(({ length }, i) => {
      at += length;
      return { typeUrl: this.types[i]!, at: at - length, length };
    });
    const text: Recording = { messages, sidecars: Object.fromEntries(this.bySidecar) };
    writeFileSync(`${path}.json`, JSON.stringify(text));
    writeFileSync(`${path}.bin`, Buffer.concat(this.bodies));
  }
}

function noCounts(): FleetCounts {
  return { responses: 0, resources: 0, bytes: 0, byType: {}, lastAckMs: 0, down: 0 };
}

function onResponse(sidecar: BenchSidecar, response: AdsResponse, body: Buffer): void {
  counts.responses++;
  counts.resources += response.resources;
  counts.bytes += body.length;
  counts.byType[response.typeUrl] = (counts.byType[response.typeUrl] ?? 0) + response.resources;
  counts.lastAckMs = performance.timeOrigin + performance.now();
  recording?.note(sidecar.index, response.typeUrl, body);
  if (waiting !== undefined && sidecars.every(({ configured }) => configured)) waiting();
}

let waiting: (() => void) | undefined;

const questions: FleetQuestions = {
  async connect(address, variant, nodes) {
    for (const [index, node] of nodes.entries()) {
      const bytes = encode('envoy.config.core.v3.Node', node);
      const onEnd = (sidecar: BenchSidecar) => down.add(sidecar);
      sidecars.push(new BenchSidecar({ address, variant, index, node: bytes, onResponse, onEnd }));
    }
    for (const sidecar of sidecars) sidecar.connect();
    await new Promise<void>((resolve) => {
      waiting = resolve;
    });
    waiting = undefined;
  },
  async reconnect(first, count) {
    const some = sidecars.slice(first, first + count);
    for (const sidecar of some) sidecar.disconnect();
    while (!some.every((sidecar) => down.has(sidecar))) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    for (const sidecar of some) {
      down.delete(sidecar);
      sidecar.connect();
    }
  },
  start(record) {
    counts = noCounts();
    recording = record ? new Recorder() : undefined;
  },
  counts: () => ({ ...counts, down: down.size }),
  save(directory, step) {
    recording?.save(join(directory, step));
    recording = undefined;
  },
};

answerQuestions(questions);
