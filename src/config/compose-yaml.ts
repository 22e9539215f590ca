// YAML text -> node trees, within limits. The `yaml` package's parser recurses by nesting depth and works in
// proportion to the tokens, so both are bounded while it is fed token by token. Values are yaml-value.ts.
import { Composer, type CST, type Document, Lexer, type ParsedNode, Parser } from 'yaml';
import type { Limits } from './limits.js';

/** A syntax error or a limit met, at an offset into the text. */
export interface YamlError {
  code: 'yaml-syntax' | 'too-large';
  severity: 'error' | 'warning';
  message: string;
  offset: number;
}

/** One document of a text; no `node` when it is empty or beyond a limit. */
export interface ComposedDocument {
  node: ParsedNode | undefined;
  /** Offset at which the content begins. */
  offset: number;
  errors: YamlError[];
}

// Duplicate keys are found in yaml-value.ts: the check of the package is quadratic in the size of a mapping.
// The core schema of YAML 1.2 is asked for whatever a %YAML directive says: 1.1 would turn dates into objects.
const composerOptions = {
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'silent',
  schema: 'core',
  resolveKnownTags: false,
  strict: true,
} as const;

/** Parses the documents of a text. Never throws and never overflows the stack, whatever the text. */
export function composeYaml(text: string, limits: Limits): ComposedDocument[] {
  const tokens: CST.Token[] = [];
  const parser = new Parser();
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    const limit = limitMet(++count, parser.stack.length, limits);
    if (limit !== undefined) {
      const error = { code: 'too-large', severity: 'error', message: limit } as const;
      const offset = Math.min(parser.offset, text.length);
      return [{ node: undefined, offset, errors: [{ ...error, offset }] }];
    }
  }
  for (const token of parser.end()) tokens.push(token);
  return composeTokens(tokens, text.length, limits);
}

function limitMet(tokens: number, open: number, limits: Limits): string | undefined {
  if (tokens > limits.documentTokens) {
    return `The document is too large: it has more than ${limits.documentTokens} YAML tokens.`;
  }
  // The stack holds the document and at most one scalar besides the open mappings and sequences.
  if (open > limits.depth + 2) {
    return `The document is nested deeper than ${limits.depth} levels.`;
  }
  return undefined;
}

function composeTokens(tokens: CST.Token[], end: number, limits: Limits): ComposedDocument[] {
  // A text that is all mistakes makes one Error object per token; their stack traces would take seconds.
  const traces = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    const documents: ComposedDocument[] = [];
    for (const document of new Composer(composerOptions).compose(tokens, false, end)) {
      documents.push(composed(document, limits));
    }
    return documents;
  } finally {
    Error.stackTraceLimit = traces;
  }
}

function composed(document: Document.Parsed, limits: Limits): ComposedDocument {
  const errors: YamlError[] = [];
  for (const { message, pos } of document.errors.slice(0, limits.errorsShown)) {
    errors.push({
      code: 'yaml-syntax',
      severity: 'error',
      message: sentence(message),
      offset: pos[0],
    });
  }
  for (const { message, pos } of document.warnings.slice(0, limits.errorsShown)) {
    errors.push({
      code: 'yaml-syntax',
      severity: 'warning',
      message: sentence(message),
      offset: pos[0],
    });
  }
  const node = document.contents ?? undefined;
  return { node, offset: node?.range[0] ?? document.range[0], errors };
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}
