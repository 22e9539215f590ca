// Which resources a client refused, as far as can be told from its error text. Envoy writes names into it
// ("Error adding/updating cluster(s) a: reason, b: reason"), gRPC clients too; there is no field for them.
import type { EncodedResource } from '../snapshot/snapshot.js';
import type { Guess } from './bisect.js';

/** At most this much of a client's text is kept. */
export const nackMessageMax = 4096;

/** At most this much of a text is searched for names. */
const searchedMax = 65_536;

/** Which of the suspects the text accuses. Without a name or anything quoted: none. */
export function guessCulprits(text: string, suspects: readonly EncodedResource[]): Guess {
  const message = text.slice(0, searchedMax);
  const listed = listedNames(message);
  const names = (found: readonly EncodedResource[]) => new Set(found.map(({ name }) => name));
  if (listed !== undefined) {
    const accused = suspects.filter(({ name }) => listed.includes(`\n${name}: `));
    if (accused.length > 0) return { names: names(accused), certain: true };
  }
  // A resource that fails Envoy's validation is printed as a whole: others may be named within, it is at the margin.
  const printed = new Set(
    [...message.matchAll(/^(?:cluster_)?name: "([^"\n]+)"$/gm)].map(([, name]) => name!),
  );
  const owners = suspects.filter(({ name }) => printed.has(name));
  const accused = owners.length > 0 ? names(owners) : new Set(resourcesAtFault(message, suspects));
  return { names: accused, certain: false };
}

/** Of "Error adding/updating cluster(s) a: reason, b: reason": the list, each name after a line break. */
function listedNames(message: string): string | undefined {
  const at = message.search(/Error adding\/updating (?:cluster|listener)\(s\) /);
  if (at < 0) return undefined;
  return `\n${message.slice(message.indexOf('(s) ', at) + 4).replaceAll(', ', '\n')}`;
}

/**
 * Names of the response that occur in the text as a whole word, else those of resources that contain what the text
 * quotes; the only resource of a response is at fault whatever the text says. Empty when nothing can be told.
 */
export function resourcesAtFault(
  message: string,
  resources: readonly EncodedResource[],
): readonly string[] {
  if (resources.length === 1) return [resources[0]!.name];
  const found: string[] = [];
  for (const { name } of resources) if (name !== '' && hasWord(message, name)) found.push(name);
  if (found.length > 0) return found;
  // Routes are refused without their name, but with what is wrong in them ("regex '…' RE2 program size …").
  const quoted = quotedTexts(message);
  return resources
    .filter(({ bytes }) => quoted.some((text) => bytes.includes(text)))
    .map(({ name }) => name);
}

/** So many are looked for in every resource: a client could quote thousands. */
const quotedMax = 10;

/**
 * What the text puts in quotes, if it is long enough to tell something, and paths of files, which Envoy does not quote
 * ("Invalid path: /etc/a.wasm"); the longest ones, longest first.
 */
export function quotedTexts(message: string): readonly string[] {
  const quoted = [...message.matchAll(/'([^']{3,})'|"([^"]{3,})"/g)].map(
    ([, a, b]) => a ?? b ?? '',
  );
  const paths = [...message.matchAll(/(?<=[\s:(])\/[\w.@-]+(?:\/[\w.@-]+)+/g)].map(
    ([path]) => path,
  );
  const texts = [...quoted, ...paths];
  return texts.sort((a, b) => b.length - a.length).slice(0, quotedMax);
}

/** Letters that occur within resource names: a match must not be cut out of a longer name. */
const inName = /[\w.|*-]/;

function hasWord(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const before = text[at - 1] ?? ' ';
    const after = text.slice(at + name.length, at + name.length + 2);
    const endsHere = after === '' || !inName.test(after[0]!) || /^\.(\s|$)/.test(after);
    if (!inName.test(before) && endsHere) return true;
  }
  return false;
}
