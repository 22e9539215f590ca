import t from 'tap';
import { kubernetesProtocol, serviceEntryProtocol } from '../../src/mesh/protocol.js';

t.test('ports of v1 Services', async (t) => {
  const table: [name: string, more: object, protocol: string][] = [
    ['http', {}, 'HTTP'],
    ['http-web', {}, 'HTTP'],
    ['HTTP-web', {}, 'HTTP'],
    ['http2', {}, 'HTTP2'],
    ['https-a', {}, 'HTTPS'],
    ['grpc-a', {}, 'GRPC'],
    ['grpc-web', {}, 'GRPC-Web'],
    ['grpc-web-a', {}, 'GRPC-Web'],
    ['tcp', {}, 'TCP'],
    ['tls-a', {}, 'TLS'],
    ['mongo', {}, 'Mongo'],
    ['redis-a', {}, 'Redis'],
    ['mysql', {}, 'MySQL'],
    ['udp-dns', {}, 'UDP'],
    ['web', {}, 'Auto'],
    ['httpweb', {}, 'Auto'],
    ['', {}, 'Auto'],
    ['constructor', {}, 'Auto'],
    ['http', { protocol: 'UDP' }, 'UDP'],
    ['tcp', { appProtocol: 'http' }, 'HTTP'],
    ['http', { appProtocol: 'custom' }, 'Auto'],
    ['tcp', { appProtocol: 'kubernetes.io/h2c' }, 'HTTP2'],
    ['tcp', { appProtocol: 'kubernetes.io/ws' }, 'HTTP'],
    ['tcp', { appProtocol: 'kubernetes.io/wss' }, 'HTTPS'],
    ['db', { port: 3306 }, 'TCP'],
    ['', { port: 27017 }, 'TCP'],
    ['', { port: 25 }, 'TCP'],
    ['', { port: 53 }, 'TCP'],
    ['http', { port: 3306 }, 'HTTP'],
  ];
  for (const [name, more, protocol] of table) {
    t.equal(
      kubernetesProtocol({ port: 1000, name, ...more }),
      protocol,
      `${name} ${JSON.stringify(more)}`,
    );
  }
});

t.test('ports of ServiceEntries', async (t) => {
  t.equal(serviceEntryProtocol(80, 'HTTP'), 'HTTP');
  t.equal(serviceEntryProtocol(80, 'grpc-web'), 'GRPC-Web');
  t.equal(serviceEntryProtocol(80, 'HTTP_PROXY'), 'HTTP');
  t.equal(serviceEntryProtocol(80, undefined), 'Auto');
  t.equal(serviceEntryProtocol(80, 'MySQL'), 'MySQL');
  t.equal(serviceEntryProtocol(3306, undefined), 'TCP');
});
