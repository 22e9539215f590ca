// Header operations of a VirtualService as Envoy's header lists. Host and :authority cannot be set by those lists;
// they come out as `authority`, for the caller to rewrite the host with.
import type { HeaderValueOption } from '../envoy/gen/types/envoy/config/core/v3/HeaderValueOption.js';
import type { HttpRule } from '../mesh/rules.js';

type Headers = NonNullable<HttpRule['headers']>;

/** The four lists that routes and weighted clusters have; a list is absent when it is empty. */
export interface HeaderLists {
  request_headers_to_add?: HeaderValueOption[];
  request_headers_to_remove?: string[];
  response_headers_to_add?: HeaderValueOption[];
  response_headers_to_remove?: string[];
}

export interface HeaderMutation {
  lists: HeaderLists;
  /** The host that the request is to have; from `set`, else from `add`. */
  authority?: string;
}

/**
 * Translates header operations: `set` overwrites, `add` appends, both add a missing header. Pseudo headers and Host
 * are left out of the lists, since Envoy refuses to change them so.
 */
export function headerMutation(headers: Headers | undefined): HeaderMutation {
  const { request, response } = headers ?? {};
  const authority = authorityIn(request?.set) ?? authorityIn(request?.add);
  return {
    lists: headerLists({
      request_headers_to_add: [...options(request?.set, true), ...options(request?.add, false)],
      request_headers_to_remove: (request?.remove ?? []).filter(isMutable),
      response_headers_to_add: [...options(response?.set, true), ...options(response?.add, false)],
      response_headers_to_remove: (response?.remove ?? []).filter(isMutable),
    }),
    ...(authority !== undefined && { authority }),
  };
}

/** The operations of both, the first ones first. */
export function concatHeaderLists(first: HeaderLists, second: HeaderLists): HeaderLists {
  const join = <Item>(a: Item[] = [], b: Item[] = []) => [...a, ...b];
  return headerLists({
    request_headers_to_add: join(first.request_headers_to_add, second.request_headers_to_add),
    request_headers_to_remove: join(
      first.request_headers_to_remove,
      second.request_headers_to_remove,
    ),
    response_headers_to_add: join(first.response_headers_to_add, second.response_headers_to_add),
    response_headers_to_remove: join(
      first.response_headers_to_remove,
      second.response_headers_to_remove,
    ),
  });
}

function headerLists(all: Required<HeaderLists>): HeaderLists {
  return Object.fromEntries(Object.entries(all).filter(([, list]) => list.length > 0));
}

function options(map: Readonly<Record<string, string>> | undefined, overwrite: boolean) {
  return Object.entries(map ?? {})
    .filter(([key]) => isMutable(key))
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(
      ([key, value]): HeaderValueOption => ({
        header: { key, value },
        append_action: overwrite ? 'OVERWRITE_IF_EXISTS_OR_ADD' : 'APPEND_IF_EXISTS_OR_ADD',
      }),
    );
}

function authorityIn(map: Readonly<Record<string, string>> | undefined): string | undefined {
  const found = Object.entries(map ?? {}).find(([key]) => /^(:authority|host)$/i.test(key));
  return found?.[1] || undefined;
}

function isMutable(key: string): boolean {
  return !key.startsWith(':') && key.toLowerCase() !== 'host';
}
