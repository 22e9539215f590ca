// Writes docs/kinds/ from the schemas in src/kinds, and removes pages of kinds that are gone.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { register } from 'tsx/esm/api';

register();
const { kindPages } = await import('../src/kinds/kind-pages.ts');

const folder = new URL('../docs/kinds/', import.meta.url);
mkdirSync(folder, { recursive: true });
const pages = kindPages();
for (const name of readdirSync(folder)) {
  if (!pages.has(name)) rmSync(new URL(name, folder));
}
for (const [name, text] of pages) writeFileSync(new URL(name, folder), text);
