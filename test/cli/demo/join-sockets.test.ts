// A door delivers all that it received, also when the far side is closed long before the near side has read it; and a
// break on one side is a break on the other.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import t, { type Test } from 'tap';
import { joinSockets } from '../../../src/cli/demo/join-sockets.js';

async function listen(t: Test, handler: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

t.test('a large answer reaches a slow reader, although the sender has gone', async (t) => {
  const size = 16 * 1024 * 1024;
  const sender = await listen(t, (socket) => socket.end(Buffer.alloc(size, 'x')));
  const door = await listen(t, (client) => joinSockets(client, connect(sender, '127.0.0.1')));
  for (let round = 0; round < 5; round++) {
    const reader = connect(door, '127.0.0.1');
    await once(reader, 'connect');
    await new Promise((resolve) => setTimeout(resolve, 100));
    let received = 0;
    for await (const chunk of reader) received += (chunk as Buffer).length;
    t.equal(received, size);
  }
});

t.test(
  'what a slow end has not taken yet is still delivered when the other has closed',
  async (t) => {
    let delivered = '';
    const slow = new Duplex({
      read: () => undefined,
      write: (chunk, _encoding, done) => {
        setTimeout(() => {
          delivered += chunk;
          done();
        }, 50);
      },
    });
    const sender = new Duplex({ read: () => undefined, write: (_c, _e, done) => done() });
    joinSockets(slow, sender);
    for (const part of ['all ', 'of ', 'it']) sender.push(part);
    sender.push(null);
    sender.end();
    await once(sender, 'close');
    await new Promise((resolve) => setTimeout(resolve, 400));
    t.equal(delivered, 'all of it');
  },
);

t.test('nobody behind the door, and a reader that goes: the other side is closed', async (t) => {
  const closed = new Promise<void>((resolve) => {
    void listen(t, (socket) => {
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
    }).then(async (port) => {
      const door = await listen(t, (client) => joinSockets(client, connect(port, '127.0.0.1')));
      const reader = connect(door, '127.0.0.1');
      reader.on('error', () => undefined);
      reader.on('connect', () => setTimeout(() => reader.resetAndDestroy(), 50));
    });
  });
  await closed;
  t.pass('the far side was told');
  const refused = await listen(t, (client) => joinSockets(client, connect(1, '127.0.0.1')));
  const reader = connect(refused, '127.0.0.1');
  reader.on('error', () => undefined);
  await once(reader, 'close');
  t.pass('the near side was told');
});
