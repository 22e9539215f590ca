// Protobuf's merge of two messages in the shape of resource.ts, and the same with lists replaced instead of appended.
// Neither message is changed; parts that the patch does not touch keep their identity.
import protobuf from 'protobufjs/light.js';
import { findType, requireType } from './codec.js';
import type { EnvoyMessage } from './resource.js';

type Fields = Readonly<Record<string, unknown>>;

/** What becomes of lists that both have: `append` is protobuf's own rule. */
export type ListRule = 'append' | 'replace';

/**
 * `patch` merged into `base`, two messages of one type: scalars and maps' entries of the patch win, messages are
 * merged field by field, a member of a oneof drives out the others. Durations and Anys are replaced whole.
 */
export function mergeMessages<Message extends EnvoyMessage>(
  typeUrl: string,
  base: Message,
  patch: EnvoyMessage,
  lists: ListRule = 'append',
): Message {
  return mergeFields(requireType(typeUrl), base as Fields, {
    patch: patch as Fields,
    lists,
  }) as Message;
}

/** Two Anys merged by what is in them; undefined when they are of different types, or of one that is not known. */
export function mergeAnys<Any extends object>(
  base: Any,
  patch: object,
  lists: ListRule = 'append',
): Any | undefined {
  const { '@type': typeUrl, ...fields } = base as Fields;
  const { '@type': patchUrl, ...changes } = patch as Fields;
  if (typeof typeUrl !== 'string' || typeof patchUrl !== 'string') return undefined;
  if (nameOf(typeUrl) !== nameOf(patchUrl)) return undefined;
  const type = findType(typeUrl);
  if (type === undefined) return undefined;
  return { '@type': typeUrl, ...mergeFields(type, fields, { patch: changes, lists }) } as Any;
}

function nameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

function mergeFields(
  type: protobuf.Type,
  base: Fields,
  { patch, lists }: { patch: Fields; lists: ListRule },
): Fields {
  const merged: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(patch)) {
    if (value === undefined || value === null) continue;
    const field = type.fields[name]?.resolve();
    for (const other of field?.partOf?.fieldsArray ?? []) {
      if (other.name !== name) delete merged[other.name];
    }
    merged[name] = mergeValue(field, merged[name], { patch: value, lists });
  }
  return merged;
}

function mergeValue(
  field: protobuf.Field | undefined,
  base: unknown,
  { patch, lists }: { patch: unknown; lists: ListRule },
): unknown {
  if (base === undefined || base === null || field === undefined) return patch;
  if (field.map) return { ...(base as Fields), ...(patch as Fields) };
  if (field.repeated) {
    return lists === 'append' ? [...(base as unknown[]), ...(patch as unknown[])] : patch;
  }
  const type = field.resolvedType;
  if (!(type instanceof protobuf.Type) || isReplaced(type)) return patch;
  return mergeFields(type, base as Fields, { patch: patch as Fields, lists });
}

/** An Any is its bytes to protobuf; durations are Istio's exception, as half a duration is none. */
function isReplaced({ fullName }: protobuf.Type): boolean {
  return fullName === '.google.protobuf.Any' || fullName === '.google.protobuf.Duration';
}
