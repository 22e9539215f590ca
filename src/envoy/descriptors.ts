// Descriptors of the loaded proto files, for gRPC server reflection. Read at the first question (a third of a
// megabyte), never at start; scripts/file-descriptors.mjs makes them.
import { readFileSync } from 'node:fs';

interface Descriptors {
  readonly files: Readonly<Record<string, { readonly bytes: string; readonly needs: string[] }>>;
  /** Messages, enums and services, with the path of their file. */
  readonly symbols: Readonly<Record<string, string>>;
}

let loaded: Descriptors | undefined;

function descriptors(): Descriptors {
  loaded ??= JSON.parse(
    readFileSync(new URL('./gen/reflection.json', import.meta.url), 'utf8'),
  ) as Descriptors;
  return loaded;
}

/**
 * The path of the file that defines a fully qualified name: of a message, enum or service, or of something within
 * one (a method, a field, an enum value). Undefined when none is known.
 */
export function fileOfSymbol(symbol: string): string | undefined {
  const { symbols } = descriptors();
  if (Object.hasOwn(symbols, symbol)) return symbols[symbol];
  const outer = symbol.slice(0, Math.max(0, symbol.lastIndexOf('.')));
  return Object.hasOwn(symbols, outer) ? symbols[outer] : undefined;
}

/**
 * The file and all that it imports, each as a path and the bytes of its FileDescriptorProto; what is imported comes
 * first. Undefined for an unknown path.
 */
export function fileWithImports(path: string): ReadonlyMap<string, Buffer> | undefined {
  const { files } = descriptors();
  if (!Object.hasOwn(files, path)) return undefined;
  const found = new Map<string, Buffer>();
  const visiting = new Set<string>();
  const visit = (each: string) => {
    if (visiting.has(each)) return;
    visiting.add(each);
    const file = files[each]!;
    for (const needed of file.needs) visit(needed);
    found.set(each, Buffer.from(file.bytes, 'base64'));
  };
  visit(path);
  return found;
}
