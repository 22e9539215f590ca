// docs/kinds/ is what the schemas say (after a change: node scripts/kind-docs.mjs), and the schemas say something
// for every field that is in use.
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { fieldsOf, kindsWithFields } from '../../src/kinds/fields.js';
import { kindPages, pageName } from '../../src/kinds/kind-pages.js';

const folder = new URL('../../docs/kinds/', import.meta.url);

t.test('the pages are current', async (t) => {
  const pages = kindPages();
  t.strictSame(readdirSync(folder).sort(), [...pages.keys()].sort());
  for (const [name, text] of pages) {
    const committed = readFileSync(new URL(name, folder), 'utf8');
    t.ok(committed === text, `docs/kinds/${name} is current; else run scripts/kind-docs.mjs`);
  }
});

t.test('the name of a page', async (t) => {
  t.equal(pageName('VirtualService'), 'virtual-service');
  t.equal(pageName('Service'), 'service');
});

for (const entry of kindsWithFields()) {
  t.test(entry.kind, async (t) => {
    const fields = fieldsOf(entry);
    t.ok(entry.doc);
    const unsaid = fields.filter((f) => f.description === '' && f.status !== 'not-implemented');
    // What holds for a message as a whole is said there.
    const within = (path: string, status: string) =>
      fields.some((f) => f.status === status && /^[.[{]/.test(cutPrefix(path, f.path)));
    t.strictSame(
      unsaid
        .filter(({ path, status }) => status === 'implemented' || !within(path, status))
        .map((f) => f.path)
        .filter((path) => !spokenFor.test(path)),
      [],
    );
    t.equal(new Set(fields.map((f) => f.path)).size, fields.length, 'no path stands twice');
  });
}

function cutPrefix(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : '';
}

/** Fields whose parent says what they are, and those of settings without effect. */
const spokenFor =
  /(?:\.number|\.delay|\.abort|\.value|attributes\[\]\.\w+|defaultConfig\..*)$|Affinity|hints|targetRef|configSources|certificates/;
