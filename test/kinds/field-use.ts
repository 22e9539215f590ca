// Which fields of a kind documents use: for the tests that there is a sample, and a case, of each.
import { type Field, fieldsOf } from '../../src/kinds/fields.js';
import { kindTable } from '../../src/kinds/kind-table.js';
import { pathsIn } from './check-document.js';

/** The fields that the page of a kind calls implemented and that no document sets. */
export function unusedFields(kind: string, docs: readonly Record<string, unknown>[]): string[] {
  const entry = kindTable.find((e) => (e.idKind ?? e.kind) === kind)!;
  const fields = fieldsOf(entry);
  const known = knownPaths(fields);
  const used = new Set<string>();
  for (const doc of docs) {
    const at = entry.specAt === 'spec' ? 'spec' : '';
    const { apiVersion: _a, kind: _k, metadata: _m, ...top } = doc;
    for (const path of pathsIn(at === '' ? top : doc['spec'], at, known)) used.add(path);
  }
  return fields
    .filter((field) => field.status === 'implemented' && !used.has(field.path))
    .map((field) => field.path)
    .filter((path) => !usedElsewhere(path, fields, used));
}

function knownPaths(fields: readonly Field[]): Set<string> {
  const known = new Set(fields.map((field) => field.path));
  for (const field of fields) {
    // Below a message that was listed further up, its fields have their names there.
    const inner = fields.filter((f) => f.path.startsWith(`${field.sameAs}.`));
    const base = field.path + (field.sameAs?.endsWith('[]') ? '[]' : '');
    for (const f of inner) known.add(base + f.path.slice(field.sameAs!.length));
  }
  return known;
}

/** Fields of this name used under a message that is listed as the same. */
function usedElsewhere(path: string, fields: readonly Field[], used: ReadonlySet<string>): boolean {
  return fields.some(({ path: other, sameAs }) => {
    if (sameAs === undefined || !path.startsWith(`${sameAs}.`)) return false;
    const base = other + (sameAs.endsWith('[]') ? '[]' : sameAs.endsWith('{}') ? '{}' : '');
    const moved = base + path.slice(sameAs.length);
    return used.has(moved) || usedElsewhere(moved, fields, used);
  });
}
