// What the protocol says of single resource types, as one table: whether an empty list asks for everything, whether a
// response is the whole set, and in which order types go out. A type that is not in the table is served all the same,
// by the rules at the end. The library's user adds lines (option `types`).
import {
  CLUSTER,
  ENDPOINT,
  EXTENSION_CONFIG,
  LISTENER,
  ROUTE,
  RUNTIME,
  SCOPED_ROUTE,
  SECRET,
  VIRTUAL_HOST,
} from '../envoy/resource.js';

/** What is particular to a type. */
export interface TypeRule {
  readonly typeUrl: string;
  /**
   * A first request without names asks for everything (the legacy wildcard of xDS "How the client specifies what
   * resources to return"). Default true.
   */
  readonly wildcard?: boolean;
  /**
   * A SotW response is the whole set which the client wants, and absence deletes (xDS "Grouping Resources into
   * Responses"). Default false; a client that asked for everything is always sent the whole set.
   */
  readonly wholeSet?: boolean;
  /**
   * Place in make before break: 'clusters' (what routes need; new ones are acknowledged before routes go out, old ones
   * leave last), 'routes' (what uses clusters), or 'independent' (default: sent at once).
   */
  readonly order?: 'clusters' | 'routes' | 'independent';
  /**
   * The type whose resources wait for those of this type (xDS "Resource warming"): a request of this type that is
   * repeated after a response of that type is answered.
   */
  readonly usedBy?: string;
  /**
   * The type whose resources these are parts of, by their names up to the last `/`. Parts change all at once, old ones
   * go with that, and those of a whole that is asked for anew are sent again behind it: clients do not ask for them.
   */
  readonly partOf?: string;
  /** Resources with a TTL must not be sent with it in SotW (Envoy ends with a fault, envoy#24271). */
  readonly noSotwTtl?: boolean;
}

/** What Envoy and gRPC clients expect (xds-protocol 9, 17, 20, 21, 24, 41 to 45). In the order of sending. */
export const envoyTypeRules: readonly TypeRule[] = [
  { typeUrl: CLUSTER, wholeSet: true, order: 'clusters' },
  { typeUrl: ENDPOINT, wildcard: false, order: 'clusters', usedBy: CLUSTER, noSotwTtl: true },
  { typeUrl: LISTENER, wholeSet: true, order: 'routes' },
  { typeUrl: SCOPED_ROUTE, order: 'routes' },
  { typeUrl: ROUTE, wildcard: false, order: 'routes', usedBy: LISTENER },
  { typeUrl: VIRTUAL_HOST, wildcard: false, order: 'routes', partOf: ROUTE },
  { typeUrl: SECRET, wildcard: false },
  { typeUrl: EXTENSION_CONFIG, wildcard: false },
  { typeUrl: RUNTIME, wildcard: false },
];

/** The table by type; lines given later replace earlier ones field by field. */
export class TypeRules {
  private readonly rules = new Map<string, TypeRule>();

  constructor(added: readonly TypeRule[] = []) {
    for (const rule of [...envoyTypeRules, ...added]) {
      this.rules.set(rule.typeUrl, { ...this.rules.get(rule.typeUrl), ...rule });
    }
  }

  /** The rule of a type; one without particulars for a type that is not in the table. */
  of(typeUrl: string): TypeRule {
    return this.rules.get(typeUrl) ?? { typeUrl };
  }

  /** The type of the parts of a type's resources; undefined when they have none. */
  partsOf(typeUrl: string): string | undefined {
    for (const rule of this.rules.values()) if (rule.partOf === typeUrl) return rule.typeUrl;
    return undefined;
  }

  /** Types of one place in the order, in the order of the table. */
  inOrder(order: 'clusters' | 'routes'): readonly string[] {
    return [...this.rules.values()]
      .filter((rule) => rule.order === order)
      .map((rule) => rule.typeUrl);
  }
}

/** The table without additions. */
export const defaultTypeRules = new TypeRules();
