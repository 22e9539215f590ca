// Who opened a stream, and whether it may call itself what it does: the two hooks of the embedding program and how
// they are run. What an identity is made of is the program's business; bearer-tokens.ts and spiffe.ts offer the usual.
import type * as grpc from '@grpc/grpc-js';
import { errorMessage } from '../lib/error.js';
import type { XdsNode } from './node.js';
import { spiffeUris, subjectAltNames } from './spiffe.js';

/** Who a stream belongs to. `name` is shown in the stream's status; a program may add fields of its own. */
export interface XdsIdentity {
  readonly name: string;
}

/** The certificate that a client proved to own and that a CA of the server's vouches for. */
export interface ClientCertificate {
  /** The subject as text, `CN=…`. */
  readonly subject: string;
  /** `URI:…`, `DNS:…` and so on, in the order of the certificate. */
  readonly subjectAltNames: readonly string[];
  /** The URIs among them that are SPIFFE IDs. */
  readonly spiffeIds: readonly string[];
  /** The certificate in DER. */
  readonly raw: Buffer;
}

/** What is known of a call before its first message. */
export interface CallInfo {
  /** Remote address, as `1.2.3.4:5678`. */
  readonly peer: string;
  /** The headers of the call; `authorization` is where a bearer token stands. */
  readonly metadata: grpc.Metadata;
  /** Present on TLS when the client showed a certificate that was verified. */
  readonly certificate: ClientCertificate | undefined;
}

/**
 * Tells who a call is from. An exception refuses the call with UNAUTHENTICATED and its message, which the client
 * reads; nothing of the call has been looked at then.
 */
export type Authenticate = (call: CallInfo) => XdsIdentity | Promise<XdsIdentity>;

/**
 * Binds a stream to the node that it says it is, once, at its first request and before `onNode`. An exception ends it
 * with PERMISSION_DENIED and its message. `identity` is undefined where there is no `authenticate`.
 */
export type Authorize = (identity: XdsIdentity | undefined, node: XdsNode) => void | Promise<void>;

/** Who may ask for the state of clients (csds.ts). An exception refuses with PERMISSION_DENIED and its message. */
export type AuthorizeClientStatus = (identity: XdsIdentity | undefined) => void | Promise<void>;

/** The part of a grpc-js call that is looked at. */
type Call = Pick<
  grpc.ServerDuplexStream<unknown, unknown>,
  'getPeer' | 'metadata' | 'getAuthContext'
>;

/** How a call was judged. */
export type Judgement =
  | { readonly identity: XdsIdentity | undefined }
  | { readonly refused: string };

/** Runs the hook; `done` is called within this call unless the hook is asynchronous. Without a hook anybody passes. */
export function identify(
  call: Call,
  authenticate: Authenticate | undefined,
  done: (judgement: Judgement) => void,
): void {
  if (authenticate === undefined) {
    done({ identity: undefined });
    return;
  }
  let identity: XdsIdentity | Promise<XdsIdentity>;
  try {
    identity = authenticate(callInfo(call));
  } catch (error) {
    done({ refused: errorMessage(error) });
    return;
  }
  if (!isPromise(identity)) {
    done({ identity });
    return;
  }
  identity.then(
    (known) => done({ identity: known }),
    (error: unknown) => done({ refused: errorMessage(error) }),
  );
}

/** Asks a hook that may refuse, by an exception whose message is given to `no`, or by a promise that comes to one. */
export function consult(
  question: () => void | Promise<void>,
  answers: { yes: () => void; no: (reason: string) => void },
): void {
  const no = (error: unknown) => answers.no(errorMessage(error));
  let answer: void | Promise<void>;
  try {
    answer = question();
  } catch (error) {
    no(error);
    return;
  }
  // A function that gives some other value is none that has to be waited for.
  if (isPromise(answer)) answer.then(answers.yes, no);
  else answers.yes();
}

/** Also those of other libraries. */
function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Partial<Promise<T>> | undefined)?.then === 'function';
}

function callInfo(call: Call): CallInfo {
  const certificate = call.getAuthContext()?.sslPeerCertificate;
  return {
    peer: call.getPeer(),
    metadata: call.metadata,
    certificate: certificate && clientCertificate(certificate),
  };
}

type PeerCertificate = NonNullable<
  NonNullable<ReturnType<Call['getAuthContext']>>['sslPeerCertificate']
>;

function clientCertificate({ subject, subjectaltname, raw }: PeerCertificate): ClientCertificate {
  const names = subjectAltNames(subjectaltname ?? '');
  return {
    subject: Object.entries(subject ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join(', '),
    subjectAltNames: names,
    spiffeIds: spiffeUris(names),
    raw,
  };
}
