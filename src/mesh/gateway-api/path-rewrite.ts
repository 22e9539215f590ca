// Replacing a prefix of a path as the Gateway API has it: whole elements, and never two slashes in a row.

/** How the new path is made: Envoy's prefix_rewrite, or a regex_rewrite. */
export type PathRewrite = { uri: string } | { uriRegexRewrite: { match: string; rewrite: string } };

/** Replaces `prefix` (what the rule matches) by `replacement`. */
export function replacePrefix(prefix: string, replacement: string): PathRewrite {
  const from = withoutSlash(prefix);
  const to = withSlash(withoutSlash(replacement));
  // /a -> / leaves /b of /a/b, and / of /a itself.
  if (to === '') {
    if (from === '') return { uri: '/' };
    return { uriRegexRewrite: { match: `^${escapeRegex(from)}/*`, rewrite: '/' } };
  }
  // The prefix / is the slash that the rest of the path begins with.
  if (from === '') return { uri: `${to}/` };
  return { uri: to };
}

/** Replaces the whole path; the query stays. */
export function replacePath(path: string): PathRewrite {
  return { uriRegexRewrite: { match: '^/.*$', rewrite: withSlash(path).replaceAll('\\', '\\\\') } };
}

/** A path begins with a slash, whether or not it was written. */
function withSlash(path: string): string {
  return path === '' || path.startsWith('/') ? path : `/${path}`;
}

function withoutSlash(path: string): string {
  return path.replace(/\/+$/, '');
}

function escapeRegex(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
