// Bearer tokens from a file: who shows one of them in `authorization` is let in. Tokens are opaque here; signed ones
// (JWT) are for an `authenticate` of the program's own.
import { createHash, timingSafeEqual } from 'node:crypto';
import type * as grpc from '@grpc/grpc-js';
import { ReloadedFiles, type ReloadOptions } from './reload.js';

/** What a token may claim to be; absent: anything. */
export interface TokenClaim {
  /** The number of the token's line in the file, from 1: a name for it that is no secret. */
  readonly line: number;
  readonly namespace?: string;
  readonly serviceAccount?: string;
}

/** The tokens of a file. */
export interface BearerTokens {
  /** The claim of the call's token. Throws, for UNAUTHENTICATED, when it has none or one that is not in the file. */
  check(metadata: grpc.Metadata): TokenClaim;
  /** Whether the call shows a token at all. */
  shown(metadata: grpc.Metadata): boolean;
  /** Stops looking at the file. */
  close(): void;
}

interface KnownToken extends TokenClaim {
  readonly digest: Buffer;
}

/**
 * Reads a file of `TOKEN [NAMESPACE[/SERVICE-ACCOUNT]]` lines; one that begins with `#` is a comment. Changes hold for new streams.
 * Throws a ControlPlaneError when the file has no token or a line that cannot be read.
 */
export function bearerTokens(file: string, options: ReloadOptions = {}): BearerTokens {
  const reloaded = new ReloadedFiles([file], ([content]) => readTokens(content!), options);
  reloaded.watch(() => undefined);
  return {
    check: (metadata) => {
      const claim = find(reloaded.value, tokenOf(metadata));
      if (claim === undefined) throw new Error('the bearer token is not known');
      return claim;
    },
    shown: (metadata) => metadata.get('authorization').length > 0,
    close: () => reloaded.stop(),
  };
}

function readTokens(content: Buffer): readonly KnownToken[] {
  const tokens: KnownToken[] = [];
  for (const [index, text] of content.toString('utf8').split('\n').entries()) {
    const words = text.trim().split(/\s+/);
    const [token, claim = ''] = words;
    if (!token || token.startsWith('#')) continue;
    const [namespace, serviceAccount, ...rest] = claim.split('/');
    if (words.length > 2 || rest.length > 0) {
      throw new Error(`line ${index + 1} is not TOKEN [NAMESPACE[/SERVICE-ACCOUNT]]`);
    }
    tokens.push({
      line: index + 1,
      digest: digestOf(token),
      ...(namespace && { namespace }),
      ...(serviceAccount && { serviceAccount }),
    });
  }
  if (tokens.length === 0) throw new Error('there is no token in it');
  return tokens;
}

function tokenOf(metadata: grpc.Metadata): string {
  const [header, ...more] = metadata.get('authorization');
  if (header === undefined) throw new Error('a bearer token is needed: authorization: Bearer …');
  const match = /^Bearer +(\S+)$/i.exec(String(header));
  if (match === null || more.length > 0) throw new Error('authorization is not one bearer token');
  return match[1]!;
}

/** Looks at every token whatever is found, and at digests of one length: time tells nothing about them. */
function find(tokens: readonly KnownToken[], shown: string): TokenClaim | undefined {
  const digest = digestOf(shown);
  let found: KnownToken | undefined;
  for (const token of tokens) if (timingSafeEqual(token.digest, digest)) found = token;
  return found;
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
