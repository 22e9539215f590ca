// The Envoy resources that are held back because an Envoy refused them, with the user's resources behind each: for the
// log, the problems and the status of proxies. Which ones are held back is decided in xds/quarantine.ts.
import type { TypeUrl } from './envoy/resource.js';
import { type ResourceId, resourceKey } from './kinds/problem.js';
import { causesOf } from './served-views.js';
import { locateResource } from './status/problems.js';
import { type ServedView, shortTypeName } from './status/proxies.js';
import type { Nack, ProblemStatus } from './status/state.js';
import type { Generation } from './store/generation.js';
import { quotedTexts } from './xds/nack.js';
import type { HeldBack } from './xds/server.js';

/** An Envoy's text, and the Envoy resources that it is about. */
interface Refusal {
  readonly message: string;
  readonly resourceNames: readonly string[];
}

/** The user's resources behind a refusal; only those that contain what Envoy quotes, if there are such. */
export function causesOfRefusal(
  served: ServedView,
  typeUrl: TypeUrl,
  { message, resourceNames, generation }: Refusal & { generation: Generation },
): readonly ResourceId[] {
  const quoted = quotedTexts(message).map((text) => JSON.stringify(text).slice(1, -1));
  const ids = resourceNames.flatMap((name) => causesOf(served, typeUrl, name));
  const all = [...new Map(ids.map((id) => [resourceKey(id), id]))];
  const guilty = all.filter(([key]) => {
    const spec = JSON.stringify(generation.resources.get(key)?.spec ?? '');
    return quoted.some((text) => spec.includes(text));
  });
  return (guilty.length > 0 ? guilty : all).map(([, id]) => id);
}

/** What is held back now. Small, and empty nearly always. */
export class HeldBackResources {
  readonly #byKey = new Map<string, { held: HeldBack; causes: readonly ResourceId[] }>();

  /** `served`: what the refusing proxy is served. Gives the causes with their places. */
  note(held: HeldBack, served: ServedView | undefined, generation: Generation): Nack['causes'] {
    const refusal = { message: held.message, resourceNames: [held.name], generation };
    const causes = served ? causesOfRefusal(served, held.typeUrl as TypeUrl, refusal) : [];
    this.#byKey.set(keyOf(held), { held, causes });
    return causes.map((id) => locateResource(id, generation));
  }

  forget(held: HeldBack): void {
    this.#byKey.delete(keyOf(held));
  }

  /** The user's resources behind one that is held back, where they are now. */
  causes(held: Pick<HeldBack, 'typeUrl' | 'name' | 'version'>, generation: Generation) {
    for (const { held: known, causes } of this.#byKey.values()) {
      const { typeUrl, name, version } = known;
      if (typeUrl !== held.typeUrl || name !== held.name || version !== held.version) continue;
      return causes.map((id) => locateResource(id, generation));
    }
    return [];
  }

  /** A problem for each of the user's resources behind each; `list`: what is held back at this moment. */
  problems(list: readonly HeldBack[], generation: Generation): ProblemStatus[] {
    return list.flatMap((held) => {
      const problem: ProblemStatus = {
        code: 'refused-by-envoy',
        severity: 'error',
        message: `${describeHeld(held)}: ${held.message}`,
        ...(held.refusedBy[0] !== undefined && { proxy: held.refusedBy[0] }),
        proxies: held.refusedBy,
      };
      const causes = this.#byKey.get(keyOf(held))?.causes ?? [];
      if (causes.length === 0) return [problem];
      return causes.map((id): ProblemStatus => {
        const { position, ...resource } = locateResource(id, generation);
        return { ...problem, resource, ...(position && { position }) };
      });
    });
  }
}

/** `CDS outbound|80||a, held back from every envoy 1.40.0`. */
function describeHeld(held: HeldBack): string {
  const { typeUrl, name, client, everywhere } = held;
  const whom = everywhere ? `every ${client || 'client'}` : 'those that refuse it';
  return `${shortTypeName(typeUrl) ?? typeUrl} ${name} is held back from ${whom}; ${insteadOf(held)}`;
}

/** What is served in its place, as a clause. */
export function insteadOf({ inForce, substituted }: HeldBack): string {
  if (inForce === undefined) return 'it is left out';
  return substituted
    ? 'it is served without the patch of an EnvoyFilter'
    : 'its last good version is served';
}

function keyOf({ client, typeUrl, name, version }: HeldBack): string {
  return [client, typeUrl, name, version].join('\n');
}
