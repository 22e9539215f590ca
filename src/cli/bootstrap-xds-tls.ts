// The part of a bootstrap that secures the connection to the control plane: TLS that is held to the control plane's
// name, a client certificate, a token. Envoy reads the files itself, when it starts.
import { isIP } from 'node:net';

/** How an Envoy proves who it is and whom it trusts. */
export interface XdsTlsOptions {
  /** CAs of the control plane, a file in PEM; absent: plaintext. */
  caFile?: string;
  /** The name or IP that its certificate must have; the host of the address where absent. */
  serverName?: string;
  /** Client certificate and key, files in PEM. */
  certFile?: string;
  keyFile?: string;
  /** Sent as `authorization: Bearer …` with each stream. It stands in the bootstrap in clear. */
  token?: string;
}

type Json = { [key: string]: unknown };

/**
 * `transport_socket` of the control plane's cluster; undefined for plaintext. `host` undefined: a Unix socket. Throws
 * RangeError for options that do not go together.
 */
export function xdsTransportSocket(
  { caFile, serverName, certFile, keyFile }: XdsTlsOptions,
  host: string | undefined,
): Json | undefined {
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new RangeError('a client certificate and its key go together');
  }
  if (caFile === undefined) {
    if (certFile === undefined && serverName === undefined) return undefined;
    throw new RangeError('TLS to the control plane needs the file of its CA');
  }
  const name = serverName ?? host;
  if (name === undefined) {
    throw new RangeError('over a Unix socket, the name in the certificate must be said');
  }
  const isName = isIP(name) === 0;
  const certificate = {
    certificate_chain: { filename: certFile },
    private_key: { filename: keyFile },
  };
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      ...(isName && { sni: name }),
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
        alpn_protocols: ['h2'],
        ...(certFile !== undefined && { tls_certificates: [certificate] }),
        validation_context: {
          trusted_ca: { filename: caFile },
          // Without this any certificate of the CA would do, a workload's too.
          match_typed_subject_alt_names: [
            { san_type: isName ? 'DNS' : 'IP_ADDRESS', matcher: { exact: name } },
          ],
        },
      },
    },
  };
}

/** `initial_metadata` of the gRPC service; undefined without a token. */
export function xdsInitialMetadata({ token }: XdsTlsOptions): Json[] | undefined {
  if (token === undefined) return undefined;
  return [{ key: 'authorization', value: `Bearer ${token}` }];
}
