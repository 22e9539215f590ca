// Conversations with one stream without a socket, written as lines:
//
//   set c a1 b1 | e a1 b1   the state: clusters, endpoints, listeners, routes, others (o); a number is a content
//   clear                   the group has no snapshot any more
//   > CDS                   a request without names; `> EDS +a -b`: names taken and dropped; `> CDS +*`
//   ack CDS / nack CDS text the answer to the last response of the type; `ack EDS +x`: with new names
//   old EDS +x              the same as `>` but with the nonce before the last one
//   repeat EDS              the last request again, as it was
//   wait 5000               time passes
//   reconnect               a new stream; `> CDS` then carries what the client has
//   s: … / d: …             a line for one variant only
//   < CDS a1 b1 -c          what the server must have sent since; `<s` SotW only, `<d` delta only
//
// Whatever is sent and not expected is a failure, and the other way round.
import t from 'tap';
import { CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET } from '../../src/envoy/resource.js';
import type { XdsNode } from '../../src/xds/node.js';
import type { ResourceErrors, UnknownNamed } from '../../src/xds/options.js';
import { defaultLimits, defaultTimes } from '../../src/xds/options.js';
import type { Quarantine } from '../../src/xds/quarantine.js';
import type { Variant, XdsStream } from '../../src/xds/status.js';
import { ProtocolStream } from '../../src/xds/stream.js';
import { defaultTypeRules, type TypeRules } from '../../src/xds/type-rules.js';
import { VersionAliases } from '../../src/xds/version-aliases.js';
import { type Response, readResponse } from './client.js';
import { snapshot, type World } from './resources.js';

const OTHER = 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig';
const UNKNOWN = 'type.googleapis.com/no.such.Type';

export const typeUrls: Readonly<Record<string, string>> = {
  CDS: CLUSTER,
  EDS: ENDPOINT,
  LDS: LISTENER,
  RDS: ROUTE,
  SDS: SECRET,
  ECDS: OTHER,
  XXX: UNKNOWN,
};
const short = new Map(Object.entries(typeUrls).map(([name, url]) => [url, name]));

interface Side {
  names: Set<string>;
  nonce: string;
  oldNonce: string;
  last: Response | undefined;
  /** Accepted version, and accepted resources with their versions. */
  version: string;
  held: Map<string, { mark: number; version: string }>;
  opened: boolean;
}

export interface TalkOptions {
  unknownNamed?: UnknownNamed;
  onlyType?: string;
  /** Absent: nothing is held back. */
  quarantine?: Quarantine;
  node?: { id: string; release?: string };
  rules?: TypeRules;
  ttl?: 'delta' | 'all';
  resourceErrors?: ResourceErrors;
}

/** A client and the stream it talks to. */
export class Talk {
  readonly sides = new Map<string, Side>();
  readonly nacks: string[] = [];
  /** Set to stop the transport; `flow` lets it go. */
  blocked = false;
  /** No type is asked for as a whole: what was not named is not taken. */
  named = false;
  outbox: Response[] = [];
  private woken = false;
  stream: ProtocolStream;
  private now = 1_000_000;
  private goal: ReturnType<typeof snapshot> | undefined;
  private readonly aliases = new VersionAliases();

  constructor(
    readonly variant: Variant,
    private readonly options: TalkOptions = {},
  ) {
    this.stream = this.open();
  }

  private open(): ProtocolStream {
    const settings = {
      variant: this.variant,
      onlyType: this.options.onlyType,
      limits: defaultLimits,
      times: defaultTimes,
      identifier: '',
      rules: this.options.rules ?? defaultTypeRules,
      ttl: this.options.ttl,
      resourceErrors: this.options.resourceErrors,
      respond: {
        unknownNamed: this.options.unknownNamed ?? (() => undefined),
        aliases: this.aliases,
      },
      callbacks: {
        onNack: (_s: XdsStream, _t: string, nack: { resourceNames: readonly string[] }) =>
          this.nacks.push(nack.resourceNames.join(' ')),
      },
      quarantine: this.options.quarantine,
      now: () => this.now,
    };
    const transport = {
      write: (pieces: readonly Buffer[]) =>
        this.outbox.push(readResponse(this.variant, Buffer.concat(pieces))),
      writable: () => !this.blocked,
      wake: () => {
        this.woken = true;
      },
    };
    const { id = 'one', release = '1.40.0' } = this.options.node ?? {};
    const node = { id, userAgentName: 'envoy', userAgentVersion: release } as XdsNode;
    return new ProtocolStream(settings, transport, { node } as XdsStream);
  }

  side(type: string): Side {
    let side = this.sides.get(type);
    if (side === undefined) {
      side = {
        names: new Set(),
        nonce: '',
        oldNonce: '',
        last: undefined,
        version: '',
        held: new Map(),
        opened: false,
      };
      this.sides.set(type, side);
    }
    return side;
  }

  set(world: World | undefined): void {
    this.goal = world && snapshot(world, this.goal);
    this.stream.setGoal(this.goal);
  }

  /** A request; changes are `+name` and `-name`. */
  request(
    type: string,
    changes: readonly string[],
    { nonce, error, spontaneous }: { nonce?: string; error?: string; spontaneous?: boolean } = {},
  ): void {
    const side = this.side(type);
    const subscribe: string[] = [];
    const unsubscribe: string[] = [];
    for (const change of changes) {
      const name = change.slice(1);
      if (change.startsWith('+')) {
        side.names.add(name);
        subscribe.push(name);
      } else {
        side.names.delete(name);
        side.held.delete(name);
        unsubscribe.push(name);
      }
    }
    const first = !side.opened;
    side.opened = true;
    const sotw = this.variant === 'sotw';
    if (first && !sotw) subscribe.splice(0, Number.POSITIVE_INFINITY, ...side.names);
    this.stream.receive({
      typeUrl: typeUrls[type]!,
      nonce: nonce ?? (sotw && !spontaneous ? side.nonce : ''),
      node: undefined,
      error: error === undefined ? undefined : { code: 13, message: error },
      version: sotw ? side.version : '',
      names: sotw ? [...side.names] : subscribe,
      unsubscribe: sotw ? [] : unsubscribe,
      held: new Map(
        first && !sotw ? [...side.held].map(([name, { version }]) => [name, version]) : [],
      ),
    });
  }

  /** Accepts the last response of the type, taking over what is in it. */
  ack(type: string, changes: readonly string[] = []): void {
    const side = this.side(type);
    const response = side.last;
    if (response === undefined) throw new Error(`no ${type} to accept`);
    this.accept(type, side, response);
    this.request(type, changes, { nonce: response.nonce });
  }

  private accept(type: string, side: Side, response: Response): void {
    side.version = response.version;
    if (this.variant === 'sotw' && (type === 'CDS' || type === 'LDS')) side.held.clear();
    for (const name of response.names) {
      // Dropped in the meantime: a client has no use for it.
      if ((this.named || type === 'EDS' || type === 'RDS') && !side.names.has(name)) continue;
      const version = response.versions.get(name) ?? '';
      side.held.set(name, { mark: markOf(response, name), version });
    }
    for (const name of response.removed) side.held.delete(name);
  }

  nack(type: string, error: string): void {
    this.request(type, [], { nonce: this.side(type).nonce, error });
  }

  wait(ms: number): void {
    this.now += ms;
    this.stream.onTime();
  }

  flow(): void {
    this.blocked = false;
    this.stream.pump();
  }

  reconnect(): void {
    this.stream.close();
    this.outbox = [];
    for (const side of this.sides.values()) {
      side.opened = false;
      side.nonce = '';
      side.oldNonce = '';
      side.last = undefined;
    }
    this.stream = this.open();
    this.stream.setGoal(this.goal);
  }

  /** What was sent since the last call, as lines. */
  taken(): string[] {
    return this.received().map((response) => {
      const type = short.get(response.typeUrl) ?? response.typeUrl;
      const there = response.names.map((name) => `${name}${markOf(response, name)}`).sort();
      return [type, ...there, ...response.removed.map((name) => `-${name}`).sort()].join(' ');
    });
  }

  /** The same as responses. */
  received(): Response[] {
    if (this.woken) {
      this.woken = false;
      this.stream.pump();
    }
    const responses = this.outbox;
    this.outbox = [];
    for (const response of responses) {
      const type = short.get(response.typeUrl) ?? response.typeUrl;
      const side = this.side(type);
      if (side.nonce === response.nonce || response.nonce === '') throw new Error('nonce repeats');
      side.oldNonce = side.nonce;
      side.nonce = response.nonce;
      side.last = response;
    }
    return responses;
  }
}

/** The number of a resource of resources.ts; 0 for an empty stand-in. */
export function markOf(response: Response, name: string): number {
  const message = response.messages.get(name) as {
    connect_timeout?: { seconds: number | { toNumber(): number } };
    endpoints?: {
      lb_endpoints: { endpoint: { address: { socket_address: { port_value: number } } } }[];
    }[];
    stat_prefix?: string;
    virtual_hosts?: { routes: { direct_response: { status: number } }[] }[];
    typed_config?: { type_url: string };
  };
  if (message.connect_timeout) return Number(message.connect_timeout.seconds);
  if (message.typed_config) return Number(message.typed_config.type_url.slice(3));
  if (message.stat_prefix) return Number(message.stat_prefix.slice(1));
  const host = message.virtual_hosts?.[0];
  if (host) return host.routes[0]!.direct_response.status - 200;
  const port = message.endpoints?.[0]?.lb_endpoints[0]?.endpoint.address.socket_address.port_value;
  return port === undefined ? 0 : port - 10_000;
}

/** Reads `c a1 b1 | e a1`. */
export function readWorld(text: string): World {
  const world: World = {};
  const keys = { c: 'clusters', e: 'endpoints', l: 'listeners', r: 'routes' } as const;
  for (const part of text.split('|')) {
    const [key, ...words] = part.trim().split(/\s+/);
    const marks: Record<string, number> = {};
    for (const word of words) marks[word.slice(0, -1)] = Number(word.at(-1));
    if (key === 'o') world.others = { [OTHER]: marks };
    else if (key) world[keys[key as keyof typeof keys]] = marks;
  }
  return world;
}

/** Runs the lines in one variant; gives undefined, or the first line that does not hold with what was sent. */
export function converse(
  variant: Variant,
  text: string,
  options?: TalkOptions,
): string | undefined {
  const talk = new Talk(variant, options);
  const pending: string[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.trim().replace(variant === 'sotw' ? 's: ' : 'd: ', '');
    if (line === '' || /^[sd]: /.test(line)) continue;
    pending.push(...talk.taken());
    const [word, ...rest] = line.split(/\s+/);
    if (word!.startsWith('<')) {
      if (word === '<s' && variant !== 'sotw') continue;
      if (word === '<d' && variant !== 'delta') continue;
      const expected = rest.join(' ');
      const at = pending.shift();
      if (at !== expected) return `expected "${expected}", sent "${at ?? 'nothing'}" (${line})`;
      continue;
    }
    if (pending.length > 0) return `sent unasked before "${line}": ${pending.join('; ')}`;
    act(talk, word!, rest);
  }
  pending.push(...talk.taken());
  return pending.length > 0 ? `sent unasked at the end: ${pending.join('; ')}` : undefined;
}

function act(talk: Talk, word: string, rest: string[]): void {
  const [type = '', ...words] = rest;
  if (word === 'set') talk.set(readWorld(rest.join(' ')));
  else if (word === 'clear') talk.set(undefined);
  else if (word === '>') talk.request(type, words);
  else if (word === 'ack') talk.ack(type, words);
  else if (word === 'nack') talk.nack(type, words.join(' '));
  else if (word === 'old') talk.request(type, words, { nonce: talk.side(type).oldNonce });
  else if (word === 'alien') talk.request(type, words, { nonce: 'of-another-stream' });
  else if (word === 'repeat') talk.request(type, []);
  else if (word === 'wait') talk.wait(Number(type));
  else if (word === 'reconnect') talk.reconnect();
  else if (word === 'block') talk.blocked = true;
  else if (word === 'flow') talk.flow();
  else throw new Error(`no such line: ${word}`);
}

/** A conversation with what it shows. */
export interface Conversation {
  what: string;
  lines: string;
  only?: Variant;
  options?: TalkOptions;
}

/** A test for each, in the variants that it is for. */
export function runConversations(conversations: readonly Conversation[]): void {
  for (const { what, lines, only, options } of conversations) {
    for (const variant of ['sotw', 'delta'] as const) {
      if (only !== undefined && only !== variant) continue;
      t.test(`${what} (${variant})`, async (t) => {
        t.equal(converse(variant, lines, options), undefined);
      });
    }
  }
}
