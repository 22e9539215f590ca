// A small name server for tests: A records of a few names, over UDP and TCP; all others do not exist. And a client that
// asks one question and tells what came back, which the resolvers of Node hide. IPv4 only.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

/** Answers on port 53 of `host`. */
export async function dnsServer(
  host: string,
  records: Readonly<Record<string, string>>,
): Promise<void> {
  const udp = createSocket('udp4');
  udp.on('message', (query, { address, port }) => udp.send(answer(query, records), port, address));
  await new Promise<void>((resolve) => udp.bind(53, host, resolve));
  const tcp = createServer((socket) => {
    socket.on('data', (data) => socket.end(withLength(answer(data.subarray(2), records))));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => tcp.listen(53, host, resolve));
}

/** What a name server said: its code (0 fine, 3 no such name, 4 not implemented) and addresses, sorted. */
export interface DnsAnswer {
  code: number;
  addresses: string[];
}

const types: Readonly<Record<string, number>> = { A: 1, TXT: 16, AAAA: 28 };

/** Asks one question; undefined when nothing came for 3 s. */
export function ask(
  server: string,
  name: string,
  type: 'A' | 'AAAA' | 'TXT',
  over: 'udp' | 'tcp' = 'udp',
): Promise<DnsAnswer | undefined> {
  const labels = name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]));
  const header = Buffer.from([1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const query = Buffer.concat([header, ...labels, Buffer.from([0, 0, types[type] ?? 0, 0, 1])]);
  return new Promise((resolve) => {
    const socket = over === 'udp' ? createSocket('udp4') : connect(53, server);
    const done = (message?: Buffer) => {
      clearTimeout(timer);
      if ('close' in socket) socket.close();
      else socket.destroy();
      resolve(message && read(message));
    };
    const timer = setTimeout(done, 3000);
    socket.on('error', () => done());
    if ('send' in socket) {
      socket.on('message', done);
      socket.send(query, 53, server);
    } else {
      socket.on('data', (data) => done(data.subarray(2)));
      socket.write(withLength(query));
    }
  });
}

function withLength(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);
}

/** The name of the question, and where the question ends. */
function question(message: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 5 };
}

function answer(query: Buffer, records: Readonly<Record<string, string>>): Buffer {
  const { name, end } = question(query);
  const ip = records[name];
  const isA = query.readUInt16BE(end - 4) === 1;
  const found = ip !== undefined && isA;
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(ip === undefined ? 0x8183 : 0x8180, 2);
  head.writeUInt16BE(found ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  if (!found) return head;
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, ...ip.split('.').map(Number)];
  return Buffer.concat([head, Buffer.from(record)]);
}

function read(message: Buffer): DnsAnswer {
  const addresses: string[] = [];
  let { end: at } = question(message);
  for (let i = message.readUInt16BE(6); i > 0; i--) {
    // A pointer, or the name again.
    while (message[at] !== 0 && (message[at] ?? 0) < 0xc0) at += (message[at] ?? 0) + 1;
    at += message[at] === 0 ? 1 : 2;
    const [type, length] = [message.readUInt16BE(at), message.readUInt16BE(at + 8)];
    const data = message.subarray(at + 10, at + 10 + length);
    if (type === 1) addresses.push([...data].join('.'));
    if (type === 28) addresses.push(data.toString('hex'));
    at += 10 + length;
  }
  return { code: (message[3] ?? 0) & 15, addresses: addresses.sort() };
}
