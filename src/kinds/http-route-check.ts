// The rules of one HTTP route of a VirtualService, after Istio's validation, and those of destinations and retries
// that other routes and MeshConfig share.
import type { Findings } from './finding.js';
import { checkAuthority, checkHeaders, matchHeaderProblem } from './header-check.js';
import { checkCors, checkFault } from './http-filter-check.js';
import { isAnyCaseLabel } from './names.js';
import type { FieldPath } from './problem.js';
import { regexProblem } from './regex-check.js';
import { checkDuration, checkHost, checkLabels, checkOneOf, report } from './value-check.js';
import type {
  Destination,
  HttpMatch,
  HttpRedirect,
  HttpRetry,
  HttpRewrite,
  HttpRoute,
  StringMatch,
} from './virtual-service.js';

/** Checks one StringMatch; `empty` says whether an empty prefix is allowed, as for paths. */
export function checkStringMatch(
  findings: Findings,
  path: FieldPath,
  match: StringMatch | undefined,
  { emptyPrefix = false, star = false } = {},
): void {
  if (!match) return;
  checkOneOf(findings, path, match, ['exact', 'prefix', 'regex']);
  if (match.prefix === '' && !emptyPrefix) {
    findings.invalid([...path, 'prefix'], 'a prefix must not be empty; use {} for presence');
  }
  // Not an expression of RE2, but Istio has taken it for "present" since before it used RE2.
  if (match.regex !== undefined && !(star && match.regex === '*')) {
    report(findings, [...path, 'regex'], regexProblem(match.regex));
  }
}

/** Checks the host, subset and port of a destination. */
export function checkDestination(
  findings: Findings,
  path: FieldPath,
  destination: Destination | undefined,
): void {
  if (!destination) return;
  if (destination.host === '*') findings.invalid([...path, 'host'], 'the host must not be *');
  else checkHost(findings, [...path, 'host'], destination.host, 'wildcard');
  if (destination.subset && !isAnyCaseLabel(destination.subset)) {
    findings.invalid([...path, 'subset'], 'the name of a subset is a DNS label');
  }
  if (destination.port && destination.port.number === undefined) {
    findings.missing([...path, 'port', 'number'], 'the port must have a number');
  }
}

/** Weights are not negative, and with several destinations not all 0. Their sum need not be 100. */
export function checkWeights(
  findings: Findings,
  path: FieldPath,
  destinations: readonly { weight?: number }[] = [],
): void {
  let sum = 0;
  for (const [index, { weight = 0 }] of destinations.entries()) {
    if (weight < 0) findings.invalid([...path, index, 'weight'], 'a weight must not be negative');
    sum += weight;
  }
  if (destinations.length > 1 && sum === 0) {
    findings.invalid(path, 'the weights of several destinations must not all be 0');
  }
  if (sum > 0xffff_ffff) findings.invalid(path, 'the sum of the weights is beyond 4294967295');
}

const retryConditions = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

/** Checks a retry policy, of a route or of MeshConfig. `lenient`: what Envoy takes no notice of is warned of. */
export function checkRetries(
  findings: Findings,
  path: FieldPath,
  retries: HttpRetry | undefined,
  { lenient = false } = {},
): void {
  if (!retries) return;
  const say = lenient ? findings.warn.bind(findings) : findings.invalid.bind(findings);
  const { attempts = 0 } = retries;
  if (attempts < 0) findings.invalid([...path, 'attempts'], 'attempts must not be negative');
  for (const field of ['perTryTimeout', 'retryOn', 'retryRemoteLocalities'] as const) {
    if (attempts === 0 && retries[field] !== undefined && retries[field] !== '') {
      say([...path, field], `${field} is of no use with 0 attempts`);
    }
  }
  checkDuration(findings, [...path, 'perTryTimeout'], retries.perTryTimeout);
  checkDuration(findings, [...path, 'backoff'], retries.backoff);
  for (const condition of retries.retryOn ? retries.retryOn.split(',') : []) {
    const status = /^\d{3}$/.test(condition) && Number(condition) >= 100 && Number(condition) < 600;
    if (status || retryConditions.has(condition)) continue;
    const text = `"${condition.slice(0, 60)}" is not a condition of retries or a status code`;
    say([...path, 'retryOn'], text);
  }
}

function checkMatch(findings: Findings, path: FieldPath, match: HttpMatch): void {
  checkStringMatch(findings, [...path, 'uri'], match.uri, { emptyPrefix: true });
  for (const field of ['scheme', 'method', 'authority'] as const) {
    checkStringMatch(findings, [...path, field], match[field]);
  }
  for (const field of ['headers', 'withoutHeaders'] as const) {
    for (const [name, value] of Object.entries(match[field] ?? {})) {
      const at = [...path, field, name];
      report(findings, at, matchHeaderProblem(name));
      checkStringMatch(findings, at, value, { star: true });
    }
  }
  for (const [name, value] of Object.entries(match.queryParams ?? {})) {
    const at = [...path, 'queryParams', name];
    if (name === '') findings.invalid(at, 'the name of a query parameter must not be empty');
    checkStringMatch(findings, at, value);
  }
  checkLabels(findings, [...path, 'sourceLabels'], match.sourceLabels);
  if (match.sourceNamespace && !isAnyCaseLabel(match.sourceNamespace)) {
    findings.invalid([...path, 'sourceNamespace'], 'a namespace is a DNS label');
  }
}

/** A route does one thing: it sends on, redirects, answers by itself, or delegates. */
function checkAction(findings: Findings, path: FieldPath, http: HttpRoute): void {
  const actions = {
    delegate: http.delegate,
    redirect: http.redirect,
    // A rule that delegates may have one for the routes of its delegate.
    directResponse: http.delegate ? undefined : http.directResponse,
    route: http.route?.length ? http.route : undefined,
  };
  const set = checkOneOf(findings, path, actions, [
    'delegate',
    'redirect',
    'directResponse',
    'route',
  ]);
  if (set.length === 0) {
    findings.missing(path, 'one of route, redirect and directResponse must be given');
  }
  if (set[0] === 'redirect' || set[0] === 'directResponse') {
    for (const field of ['fault', 'rewrite'] as const) {
      if (http[field])
        findings.invalid([...path, field], `${field} and ${set[0]} exclude each other`);
    }
  }
}

function checkRedirect(
  findings: Findings,
  path: FieldPath,
  redirect: HttpRedirect | undefined,
  matches: readonly HttpMatch[],
): void {
  if (!redirect) return;
  const { uri, prefixRewrite, authority, port, derivePort, scheme, redirectCode } = redirect;
  if (uri && prefixRewrite) {
    findings.invalid([...path, 'prefixRewrite'], 'prefixRewrite and uri exclude each other');
  }
  checkOneOf(findings, path, redirect, ['port', 'derivePort']);
  if (prefixRewrite && matches.some((match) => match.uri && match.uri.prefix === undefined)) {
    findings.invalid([...path, 'prefixRewrite'], 'prefixRewrite needs matches by a prefix of uri');
  }
  if (!uri && !prefixRewrite && !authority && !port && !derivePort && !scheme) {
    findings.missing(path, 'a redirect must change uri, authority, port or scheme');
  }
  if (redirectCode && (redirectCode < 300 || redirectCode > 399)) {
    findings.invalid(
      [...path, 'redirectCode'],
      'the code of a redirect is 301, 302, 303, 307 or 308',
    );
  } else if (redirectCode && ![301, 302, 303, 307, 308].includes(redirectCode)) {
    findings.warn([...path, 'redirectCode'], `Envoy does not redirect with ${redirectCode}`);
  }
  if (scheme && scheme !== 'http' && scheme !== 'https') {
    findings.invalid([...path, 'scheme'], 'the scheme is http or https');
  }
  checkOneLine(findings, path, { uri, prefixRewrite, authority });
}

/** Envoy refuses line breaks in what it writes into a request or an answer. */
function checkOneLine(
  findings: Findings,
  path: FieldPath,
  texts: Readonly<Record<string, string | undefined>>,
): void {
  for (const [field, text] of Object.entries(texts)) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    if (text && /[\x00\n\r]/.test(text)) {
      findings.invalid([...path, field], 'the value has control characters');
    }
  }
}

function checkRewrite(findings: Findings, path: FieldPath, rewrite: HttpRewrite | undefined): void {
  if (!rewrite) return;
  const { uri, authority, uriRegexRewrite } = rewrite;
  if (uri && uriRegexRewrite) {
    findings.invalid([...path, 'uriRegexRewrite'], 'uriRegexRewrite and uri exclude each other');
  }
  if (!uri && !authority && !uriRegexRewrite) {
    findings.missing(path, 'a rewrite must have uri, authority or uriRegexRewrite');
  }
  checkOneLine(findings, path, { uri, authority });
  if (!uriRegexRewrite) return;
  const at = [...path, 'uriRegexRewrite'];
  checkOneLine(findings, at, { rewrite: uriRegexRewrite.rewrite });
  if (!uriRegexRewrite.rewrite) findings.missing([...at, 'rewrite'], 'rewrite must be given');
  if (!uriRegexRewrite.match) findings.missing([...at, 'match'], 'match must be given');
  else report(findings, [...at, 'match'], regexProblem(uriRegexRewrite.match));
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const bodyMax = 1024 * 1024;
const largeBody = 100 * 1024;

function checkDirectResponse(findings: Findings, path: FieldPath, http: HttpRoute): void {
  const response = http.directResponse;
  if (!response) return;
  if (response.status < 200 || response.status > 599) {
    findings.invalid([...path, 'status'], 'the status is from 200 to 599');
  }
  const body = response.body;
  if (!body) return;
  checkOneOf(findings, [...path, 'body'], body, ['string', 'bytes']);
  if (body.bytes !== undefined && !base64.test(body.bytes)) {
    findings.invalid([...path, 'body', 'bytes'], 'bytes are written in base64');
  }
  const size = Buffer.byteLength(body.string ?? '') + ((body.bytes ?? '').length * 3) / 4;
  if (size > bodyMax) findings.invalid([...path, 'body'], 'a body has at most 1 MiB');
  else if (size > largeBody) {
    findings.warn([...path, 'body'], 'a body beyond 100 KiB is sent to each proxy with its routes');
  }
}

function checkMirrors(findings: Findings, path: FieldPath, http: HttpRoute): void {
  checkDestination(findings, [...path, 'mirror'], http.mirror);
  if (http.mirror && http.mirrors?.length) {
    findings.invalid([...path, 'mirrors'], 'mirrors and mirror exclude each other');
  }
  for (const [index, { destination }] of (http.mirrors ?? []).entries()) {
    checkDestination(findings, [...path, 'mirrors', index, 'destination'], destination);
  }
  for (const field of ['mirrorPercent', 'mirror_percent'] as const) {
    const percent = http[field];
    if (percent === undefined) continue;
    if (percent > 100) findings.invalid([...path, field], 'a percentage is at most 100');
    findings.deprecated([...path, field], 'mirrorPercentage');
  }
}

/** Checks one entry of `http`. */
export function checkHttpRoute(findings: Findings, path: FieldPath, http: HttpRoute): void {
  checkAction(findings, path, http);
  for (const [index, match] of (http.match ?? []).entries()) {
    checkMatch(findings, [...path, 'match', index], match);
  }
  checkRedirect(findings, [...path, 'redirect'], http.redirect, http.match ?? []);
  checkDirectResponse(findings, [...path, 'directResponse'], http);
  checkRewrite(findings, [...path, 'rewrite'], http.rewrite);
  for (const [index, { destination, headers }] of (http.route ?? []).entries()) {
    const at = [...path, 'route', index];
    checkDestination(findings, [...at, 'destination'], destination);
    checkHeaders(findings, [...at, 'headers'], headers);
  }
  checkWeights(findings, [...path, 'route'], http.route);
  checkDuration(findings, [...path, 'timeout'], http.timeout);
  checkRetries(findings, [...path, 'retries'], http.retries);
  checkFault(findings, [...path, 'fault'], http.fault);
  checkMirrors(findings, path, http);
  checkCors(findings, [...path, 'corsPolicy'], http.corsPolicy);
  checkHeaders(findings, [...path, 'headers'], http.headers);
  checkAuthority(findings, path, http);
}
