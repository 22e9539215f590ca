// How much a file may ask of us. Whoever may write the directory must not be able to stop the control plane, so
// every limit is far above what people write and low enough that one file never costs seconds.

/** The limits of one read; tests use smaller ones. */
export interface Limits {
  /** Bytes of one file. */
  fileBytes: number;
  /** Documents of one file, items of lists included. */
  documents: number;
  /** Lexical tokens of one document: the measure of the work it causes (under a second at the limit). */
  documentTokens: number;
  /** Mappings and sequences within each other, aliases followed. */
  depth: number;
  /** Nodes that aliases stand for, all aliases of a document together. */
  aliasNodes: number;
  /** Syntax errors reported for one document; the rest is mostly the echo of the first. */
  errorsShown: number;
}

/** What the product uses. */
export const defaultLimits: Limits = {
  fileBytes: 8 * 1024 * 1024,
  documents: 20_000,
  documentTokens: 300_000,
  depth: 64,
  aliasNodes: 20_000,
  errorsShown: 3,
};
