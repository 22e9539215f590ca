// The retry policies of routes, with Istio's defaults: to other services, and from a sidecar to its application.
import type { RetryPolicy } from '../envoy/gen/types/envoy/config/route/v3/RetryPolicy.js';
import type { HttpRule } from '../mesh/rules.js';
import { any } from './any.js';
import { toDuration } from './duration.js';

type HttpRetry = NonNullable<HttpRule['retries']>;

const defaultRetryOn =
  'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes';
const withStatusCodes = 'retriable-status-codes';

const previousHosts: RetryPolicy['retry_host_predicate'] = [
  {
    name: 'envoy.retry_host_predicates.previous_hosts',
    typed_config: any('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate', {}),
  },
];

const previousPriorities: RetryPolicy['retry_priority'] = {
  name: 'envoy.retry_priorities.previous_priorities',
  typed_config: any(
    'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
    { update_frequency: 2 },
  ),
};

/**
 * The retry policy of an outbound route; undefined when retries are off. Absent settings are Istio's defaults
 * (2 retries, no plain 503); settings without `attempts` turn retries off, as Istio reads the field as 0.
 * `consistentHash`: the route sticks to its host, so hosts tried before are not avoided unless it is asked for.
 */
export function retryPolicy(
  settings: HttpRetry | undefined,
  consistentHash: boolean,
): RetryPolicy | undefined {
  if (settings === undefined) return consistentHash ? defaultSticky : defaultPolicy;
  return givenPolicy(settings, consistentHash);
}

function givenPolicy(settings: HttpRetry, consistentHash: boolean): RetryPolicy | undefined {
  const { attempts = 0, perTryTimeout, backoff } = settings;
  if (attempts <= 0) return undefined;
  const avoidPrevious = settings.retryIgnorePreviousHosts ?? !consistentHash;
  return {
    num_retries: { value: attempts },
    ...retryOn(settings.retryOn),
    ...(perTryTimeout !== undefined && { per_try_timeout: toDuration(perTryTimeout) }),
    ...(settings.retryRemoteLocalities && { retry_priority: previousPriorities }),
    ...(avoidPrevious && { retry_host_predicate: previousHosts }),
    host_selection_retry_max_attempts: 5,
    ...backOff(backoff),
  };
}

/**
 * Retries on the way to the application (MeshConfig.defaultInboundHttpRetryPolicy); undefined when they are off.
 * Without settings only what the application never saw is tried again. The host is always the same one, so that
 * what chooses among hosts does not count here.
 */
export function inboundRetryPolicy(settings: HttpRetry | undefined): RetryPolicy | undefined {
  if (settings === undefined) settings = { attempts: 2 };
  const { attempts = 0, retryOn: conditions, backoff } = settings;
  if (attempts <= 0) return undefined;
  return {
    num_retries: { value: attempts },
    ...retryOn(conditions || 'reset-before-request'),
    ...backOff(backoff),
  };
}

/** Envoy refuses an interval of 0. */
function backOff(interval: number | undefined): RetryPolicy {
  if (interval === undefined || interval <= 0) return {};
  return { retry_back_off: { base_interval: toDuration(interval) } };
}

/** Of nearly all routes, which share them. */
const defaultPolicy = givenPolicy({ attempts: 2 }, false);
const defaultSticky = givenPolicy({ attempts: 2 }, true);

/** Splits status codes from Envoy's condition words. */
function retryOn(text: string | undefined): RetryPolicy {
  if (!text) return { retry_on: defaultRetryOn };
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const codes = parts.filter((part) => /^[1-5]\d\d$/.test(part)).map(Number);
  const words = parts.filter((part) => !/^[1-5]\d\d$/.test(part));
  if (codes.length === 0) return { retry_on: words.join(',') };
  if (!words.includes(withStatusCodes)) words.push(withStatusCodes);
  return { retry_on: words.join(','), retriable_status_codes: codes };
}
