// gRPC server reflection (grpc.reflection.v1 and v1alpha), so that grpcurl and the like can call this server without
// protos, and read the resources inside of responses. Descriptors are loaded at the first request.
import * as grpc from '@grpc/grpc-js';
import { decode, encode } from '../envoy/codec.js';
import { fileOfSymbol, fileWithImports } from '../envoy/descriptors.js';
import { type BytesCall, bytesMethod } from './services.js';

/** The services that answer for reflection itself; both speak the same messages. */
export const reflectionServices: readonly string[] = [
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
];

interface Request {
  host: string;
  message_request?: string;
  file_by_filename: string;
  file_containing_symbol: string;
  all_extension_numbers_of_type: string;
}

/** Adds both versions of the service; `services` are all that this server has, reflection included. */
export function addReflection(server: grpc.Server, services: readonly string[]): void {
  for (const service of reflectionServices) {
    const { path, responseSerialize, requestDeserialize } = bytesMethod(
      service,
      'ServerReflectionInfo',
    );
    const open = (call: BytesCall) => answerAll(call, services);
    server.register(path, open, responseSerialize, requestDeserialize, 'bidi');
  }
}

function answerAll(call: BytesCall, services: readonly string[]): void {
  /** Files that this client has: each is sent once on a stream. */
  const sent = new Set<string>();
  call.on('data', (bytes: Buffer) => {
    let response: Buffer;
    try {
      response = answer(bytes, services, sent);
    } catch {
      const details = 'the request cannot be read';
      call.emit('error', { code: grpc.status.INVALID_ARGUMENT, details });
      return;
    }
    // A client that asks without reading is not asked for more.
    if (!call.write(response)) {
      call.pause();
      call.once('drain', () => call.resume());
    }
  });
  call.on('end', () => call.end());
  call.on('error', () => undefined);
}

const messages = 'grpc.reflection.v1';

function answer(bytes: Buffer, services: readonly string[], sent: Set<string>): Buffer {
  const request = decode<Request>(`${messages}.ServerReflectionRequest`, bytes);
  return encode(`${messages}.ServerReflectionResponse`, {
    valid_host: request.host,
    original_request: request,
    ...content(request, services, sent),
  });
}

function content(request: Request, services: readonly string[], sent: Set<string>): object {
  switch (request.message_request) {
    case 'list_services':
      return { list_services_response: { service: services.map((name) => ({ name })) } };
    case 'file_by_filename':
      return files(request.file_by_filename, sent);
    case 'file_containing_symbol': {
      const path = fileOfSymbol(request.file_containing_symbol);
      return path === undefined ? notFound(request.file_containing_symbol) : files(path, sent);
    }
    case 'all_extension_numbers_of_type': {
      const base_type_name = request.all_extension_numbers_of_type;
      if (fileOfSymbol(base_type_name) === undefined) return notFound(base_type_name);
      return { all_extension_numbers_response: { base_type_name, extension_number: [] } };
    }
    case 'file_containing_extension':
      return notFound('the extension: descriptors here have none');
    default:
      return failure(grpc.status.INVALID_ARGUMENT, 'nothing is asked for');
  }
}

function files(path: string, sent: Set<string>): object {
  const found = fileWithImports(path);
  if (found === undefined) return notFound(path);
  const fresh = [...found].filter(([each]) => each === path || !sent.has(each));
  for (const [each] of fresh) sent.add(each);
  return { file_descriptor_response: { file_descriptor_proto: fresh.map(([, file]) => file) } };
}

function notFound(what: string): object {
  return failure(grpc.status.NOT_FOUND, `not known: ${what}`);
}

function failure(error_code: number, error_message: string): object {
  return { error_response: { error_code, error_message } };
}
