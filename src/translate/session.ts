// Session persistence of a route (Gateway API): the per-route configuration of Envoy's stateful_session filter. The
// address of the endpoint is in a cookie or a header that the client sends back.
import type { StatefulSessionPerRoute } from '../envoy/gen/types/envoy/extensions/filters/http/stateful_session/v3/StatefulSessionPerRoute.js';
import type { HttpRule } from '../mesh/rules.js';
import { any } from './any.js';
import { toDuration } from './duration.js';

type Session = NonNullable<HttpRule['session']>;

/** The name that the filter and its per-route configuration share. */
export const SESSION_FILTER = 'envoy.filters.http.stateful_session';
export const SESSION_TYPE =
  'envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute';

/** Where the session of a route is kept. */
export function statefulSession(session: Session): StatefulSessionPerRoute {
  return { stateful_session: { session_state: sessionState(session) } };
}

function sessionState(session: Session) {
  if ('header' in session) {
    return {
      name: 'envoy.http.stateful_session.header',
      typed_config: any(
        'envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState',
        {
          name: session.header,
        },
      ),
    };
  }
  const { name, path, ttlMs } = session.cookie;
  return {
    name: 'envoy.http.stateful_session.cookie',
    typed_config: any('envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState', {
      cookie: { name, path, ...(ttlMs !== undefined && { ttl: toDuration(ttlMs) }) },
    }),
  };
}
