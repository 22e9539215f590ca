// The stateful_session filter: requests of a session go to the endpoint that had the first one. It does nothing by
// itself: where the session is kept comes with routes (session.ts).
import type { HttpFilter } from '../../envoy/gen/types/envoy/extensions/filters/network/http_connection_manager/v3/HttpFilter.js';
import { any } from '../any.js';
import { SESSION_FILTER } from '../session.js';

export const STATEFUL_SESSION: HttpFilter = {
  name: SESSION_FILTER,
  typed_config: any('envoy.extensions.filters.http.stateful_session.v3.StatefulSession', {}),
};
