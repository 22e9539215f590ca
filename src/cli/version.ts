// The version of fairlead, from package.json, which lies two folders up from src/cli and dist/cli alike.
import { readFileSync } from 'node:fs';

const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');

/** As in package.json. */
export const version: string = (JSON.parse(text) as { version: string }).version;
