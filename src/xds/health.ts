// grpc.health.v1 for load balancers and probes: SERVING until the server is asked to close. One answer for every
// service name; messages are two bytes, so no proto is loaded for them.
import type * as grpc from '@grpc/grpc-js';

const serving = Buffer.from([0x08, 1]);
const notServing = Buffer.from([0x08, 2]);
const passThrough = (bytes: Buffer): Buffer => bytes;

/** The service's name. */
export const healthService = 'grpc.health.v1.Health';

/** Adds Check and Watch. Watch sends the present state and stays open. */
export function addHealth(server: grpc.Server, isServing: () => boolean): void {
  const now = () => (isServing() ? serving : notServing);
  server.register(
    `/${healthService}/Check`,
    (_call: grpc.ServerUnaryCall<Buffer, Buffer>, reply: grpc.sendUnaryData<Buffer>) => {
      reply(null, now());
    },
    passThrough,
    passThrough,
    'unary',
  );
  server.register(
    `/${healthService}/Watch`,
    (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      call.write(now());
    },
    passThrough,
    passThrough,
    'serverStream',
  );
}
