// How Envoy cuts its stat names into a name and tags. The names that fairlead gives to clusters and
// connection managers end with `;` (Istio's convention), and the expressions below cut there:
// without them each cluster would make metric names of its own. Which stats exist is Envoy's
// matter.

interface StatsTag {
  tag_name: string;
  regex: string;
}

// Group 1 is removed from the name, group 2 is the tag's value (config.metrics.v3.TagSpecifier).
// Names may hold dots (host names, addresses), so the end is the `;`, or for listeners the `_PORT`.
const tags: readonly StatsTag[] = [
  { tag_name: 'cluster_name', regex: String.raw`^cluster\.((.+?);\.)` },
  { tag_name: 'http_conn_manager_prefix', regex: String.raw`^http\.((.+?);\.)` },
  { tag_name: 'tcp_prefix', regex: String.raw`^tcp\.((.*?);?\.)\w+$` },
  {
    tag_name: 'http_conn_manager_listener_prefix',
    regex: String.raw`^listener\..+?\.http\.((.+?);\.)`,
  },
  {
    tag_name: 'listener_address',
    regex: String.raw`^listener\.(((?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F_:]+\])_\d+)\.)`,
  },
  { tag_name: 'response_code', regex: String.raw`_rq(_(\d{3}))$` },
  { tag_name: 'response_code_class', regex: String.raw`_rq(_(\dxx))$` },
  {
    tag_name: 'mongo_prefix',
    regex: String.raw`^mongo\.((.+?)\.)(?:collection|cmd|cx_|op_|delays_|decoding_)`,
  },
  { tag_name: 'authz_enforce_result', regex: String.raw`rbac(\.(allowed|denied))$` },
  { tag_name: 'authz_dry_run_result', regex: String.raw`(\.shadow_(allowed|denied))$` },
  { tag_name: 'thread_name', regex: String.raw`^server(\.(.+))\.watchdog` },
];

/**
 * config.metrics.v3.StatsConfig. Envoy's default tags are off: they would cut host names at their
 * first dot.
 */
export function statsConfig(): { use_all_default_tags: boolean; stats_tags: StatsTag[] } {
  return { use_all_default_tags: false, stats_tags: tags.map((tag) => ({ ...tag })) };
}
