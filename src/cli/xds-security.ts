// What `serve` asks of an Envoy before it hands out the mesh: TLS, client certificates, tokens, and that a proxy is in
// the namespace that its identity names, as istiod checks it. Who may read plaintext is decided here too.
import type { ServerCredentials } from '@grpc/grpc-js';
import type { Log, StreamChecks } from '../control-plane.js';
import { ControlPlaneError } from '../lib/error.js';
import { type BearerTokens, bearerTokens } from '../xds/bearer-tokens.js';
import type { CallInfo, XdsIdentity } from '../xds/server.js';
import { parseSpiffeId } from '../xds/spiffe.js';
import { tlsCredentials } from '../xds/tls-credentials.js';
import { type Address, formatAddress, isLoopback } from './address.js';

/** The flags, as given. */
export interface XdsSecurityOptions {
  certFile?: string;
  keyFile?: string;
  clientCaFile?: string;
  tokenFile?: string;
  /** Plaintext off loopback although TLS or tokens are set up. */
  plaintextAnywhere?: boolean;
}

/** What follows from them. */
export interface XdsSecurity {
  /** For the TLS addresses; undefined when there are no keys. */
  credentials?: ServerCredentials;
  /** Undefined when anybody who reaches the port may read the mesh. */
  checks?: StreamChecks;
  close(): void;
}

/** A namespace and, where it is said, a service account that somebody may claim. */
interface Claim {
  namespace: string;
  serviceAccount?: string;
}

/** An Envoy's identity. Each of its proofs (certificate, token) has to allow what the node claims. */
interface ProxyIdentity extends XdsIdentity {
  proofs: readonly (readonly Claim[])[];
}

/**
 * Reads keys and tokens. Throws a ControlPlaneError for wrong usage, and for files that are of no use. Changed files
 * hold for new connections; what is wrong with them goes to the log.
 */
export function xdsSecurity(options: XdsSecurityOptions, log: Log): XdsSecurity {
  const { certFile, keyFile, clientCaFile, tokenFile } = options;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new ControlPlaneError('usage', '--xds-tls-cert and --xds-tls-key go together');
  }
  if (clientCaFile !== undefined && certFile === undefined) {
    throw new ControlPlaneError('usage', '--xds-tls-client-ca needs --xds-tls-cert');
  }
  const reload = {
    onProblem: (message: string) =>
      log.error({ error: message }, 'xDS keys or tokens are unusable'),
    onReload: () => log.info({}, 'xDS keys or tokens were read again'),
  };
  const credentials =
    certFile !== undefined && keyFile !== undefined
      ? tlsCredentials({
          ...reload,
          certFile,
          keyFile,
          ...(clientCaFile !== undefined && { clientCaFile }),
          // With tokens as well, either of them will do (istiod takes both on its TLS port).
          clientCertificate: tokenFile === undefined ? 'required' : 'optional',
        })
      : undefined;
  const tokens = tokenFile === undefined ? undefined : bearerTokens(tokenFile, reload);
  const known = clientCaFile !== undefined || tokens !== undefined;
  return {
    ...(credentials && { credentials }),
    ...(known && { checks: streamChecks(tokens, log) }),
    close: () => tokens?.close(),
  };
}

/**
 * Whether an address may be served without TLS: loopback and Unix sockets always. Elsewhere with a warning (gives its
 * text), but not beside TLS or tokens, where it is more likely a mistake; a flag says that it is none.
 */
export function checkPlaintext(address: Address, options: XdsSecurityOptions): string | undefined {
  if ('path' in address || isLoopback(address.host)) return undefined;
  const { certFile, tokenFile, plaintextAnywhere } = options;
  if ((certFile !== undefined || tokenFile !== undefined) && !plaintextAnywhere) {
    throw new ControlPlaneError(
      'xds-plaintext',
      `--xds ${formatAddress(address)} is plaintext and not loopback, beside TLS or tokens: ` +
        'use --xds-tls, or say --xds-plaintext-anywhere',
    );
  }
  return plaintextAnywhere
    ? undefined
    : 'xDS is plaintext and listens off loopback: anybody who reaches it can read the mesh';
}

function streamChecks(tokens: BearerTokens | undefined, log: Log): StreamChecks {
  const refusal = throttled(log);
  return {
    authenticate: (call) => {
      try {
        return identityOf(call, tokens);
      } catch (error) {
        refusal({ peer: call.peer, error: String(error) }, 'an xDS client was not authenticated');
        throw error;
      }
    },
    authorize: (identity, proxy) => {
      const { name, proofs } = identity as ProxyIdentity;
      if (proofs.every((claims) => claims.some((claim) => allows(claim, proxy)))) return;
      const { id, namespace, serviceAccount } = proxy;
      refusal(
        { proxy: id, namespace, serviceAccount, identity: name },
        'an xDS client is not who it says',
      );
      throw new Error(`${name} may not be ${namespace}/${serviceAccount || '*'}`);
    },
  };
}

function identityOf(
  { certificate, metadata }: CallInfo,
  tokens: BearerTokens | undefined,
): ProxyIdentity {
  const proofs: Claim[][] = [];
  const names: string[] = [];
  const spiffe = certificate?.spiffeIds.flatMap((uri) => parseSpiffeId(uri) ?? []) ?? [];
  if (tokens !== undefined && (certificate === undefined || tokens.shown(metadata))) {
    const { line, namespace, ...rest } = tokens.check(metadata);
    if (namespace !== undefined) proofs.push([{ namespace, ...rest }]);
    names.push(`token ${line}`);
  }
  // A certificate that names no workload says nothing about the node; alone, it is not enough.
  if (certificate !== undefined && (spiffe.length > 0 || names.length === 0)) {
    proofs.push(spiffe);
    names.unshift(certificate.spiffeIds[0] ?? certificate.subject);
  }
  // On a plaintext address of this machine, beside TLS with client certificates and without tokens.
  if (names.length === 0) names.push('local');
  return { name: names.join(', '), proofs };
}

/** As istiod: the namespace always, the service account where the node says one. */
function allows(claim: Claim, proxy: { namespace: string; serviceAccount: string }): boolean {
  if (claim.namespace !== proxy.namespace) return false;
  if (claim.serviceAccount === undefined || proxy.serviceAccount === '') return true;
  return claim.serviceAccount === proxy.serviceAccount;
}

/** At most one line a second: whoever is refused comes again. */
function throttled(log: Log): Log['warn'] {
  let nextMs = 0;
  let unsaid = 0;
  return (fields, message) => {
    const now = performance.now();
    if (now < nextMs) {
      unsaid++;
      return;
    }
    log.warn({ ...fields, ...(unsaid > 0 && { unsaid }) }, message);
    nextMs = now + 1_000;
    unsaid = 0;
  };
}
