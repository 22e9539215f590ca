// The rules of HTTPRoute and GRPCRoute beyond their schemas, as the API server of Kubernetes enforces them.
import type { Check, Findings } from './finding.js';
import { checkHostnames, checkParentRefs } from './gateway-api-check.js';
import type { HeaderModifier, SessionPersistence } from './gateway-api-values.js';
import type { GrpcRouteRule, GrpcRouteSpec } from './grpc-route.js';
import { headerTextProblem } from './header-check.js';
import type {
  HttpRouteFilter,
  HttpRouteMatch,
  HttpRouteRule,
  HttpRouteSpec,
} from './http-route.js';
import { hostProblem, isHeaderName } from './names.js';
import type { FieldPath } from './problem.js';
import { regexProblem } from './regex-check.js';
import { report } from './value-check.js';

/** Checks an HTTPRoute. */
export const checkHttpRoute: Check<HttpRouteSpec> = (spec, findings) => {
  checkParentRefs(findings, spec.parentRefs);
  checkHostnames(findings, spec.hostnames);
  for (const [i, rule] of (spec.rules ?? []).entries()) checkRule(findings, ['rules', i], rule);
};

function checkRule(findings: Findings, path: FieldPath, rule: HttpRouteRule): void {
  const { matches = [], filters = [], backendRefs = [], timeouts = {} } = rule;
  for (const [i, match] of matches.entries()) checkMatch(findings, [...path, 'matches', i], match);
  const prefixOnly = matches.every(({ path: at }) => (at?.type ?? 'PathPrefix') === 'PathPrefix');
  const isPrefix = matches.length <= 1 && prefixOnly;
  checkFilters(findings, path, filters, isPrefix);
  for (const [i, ref] of backendRefs.entries()) {
    checkFilters(findings, [...path, 'backendRefs', i], ref.filters ?? [], isPrefix);
  }
  if (filters.some(({ requestRedirect }) => requestRedirect) && backendRefs.length > 0) {
    findings.invalid([...path, 'backendRefs'], 'a rule that redirects has no backends');
  }
  const { request, backendRequest } = timeouts;
  if (request && backendRequest && backendRequest > request) {
    findings.invalid(
      [...path, 'timeouts', 'backendRequest'],
      'one try must not take longer than the whole request',
    );
  }
  checkSession(findings, [...path, 'sessionPersistence'], rule.sessionPersistence);
}

function checkMatch(findings: Findings, path: FieldPath, match: HttpRouteMatch): void {
  const { type = 'PathPrefix', value = '/' } = match.path ?? {};
  const at = [...path, 'path', 'value'];
  if (type === 'RegularExpression') report(findings, at, regexProblem(value));
  else if (!value.startsWith('/')) findings.invalid(at, 'a path begins with /');
  else if (/\/\/|\/\.\.?(?:\/|$)|#|%2f/i.test(value)) {
    findings.invalid(at, 'a path has no //, /./, /../, %2f or #');
  }
  checkNamed(findings, [...path, 'headers'], match.headers);
  checkNamed(findings, [...path, 'queryParams'], match.queryParams);
}

function checkNamed(
  findings: Findings,
  path: FieldPath,
  matches: readonly { type?: string | undefined; name: string; value: string }[] = [],
): void {
  for (const [i, { type, name, value }] of matches.entries()) {
    if (!isHeaderName(name))
      findings.invalid([...path, i, 'name'], 'the name has wrong characters');
    if (type === 'RegularExpression') {
      report(findings, [...path, i, 'value'], regexProblem(value));
    }
  }
}

/** The field of each type of filter. */
const fieldOf = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  CORS: 'cors',
  ExternalAuth: 'externalAuth',
  ExtensionRef: 'extensionRef',
} as const;

function checkFilters(
  findings: Findings,
  path: FieldPath,
  filters: readonly HttpRouteFilter[],
  isPrefix: boolean,
): void {
  const seen = new Set<string>();
  for (const [i, filter] of filters.entries()) {
    const at = [...path, 'filters', i];
    const field = fieldOf[filter.type];
    if (filter[field] === undefined) {
      findings.missing([...at, field], `a filter of type ${filter.type} needs ${field}`);
    }
    for (const other of Object.values(fieldOf)) {
      if (other === field || filter[other] === undefined) continue;
      findings.invalid([...at, other], `a filter of type ${filter.type} has no ${other}`);
    }
    const repeatable = ['RequestMirror', 'ExtensionRef'].includes(filter.type);
    if (seen.has(filter.type) && !repeatable) {
      findings.invalid([...at, 'type'], `${filter.type} can stand only once`);
    }
    seen.add(filter.type);
    checkFilter(findings, at, filter, isPrefix);
  }
  if (seen.has('RequestRedirect') && seen.has('URLRewrite')) {
    findings.invalid([...path, 'filters'], 'RequestRedirect and URLRewrite exclude each other');
  }
}

const redirectCodes = [301, 302, 303, 307, 308];

function checkFilter(
  findings: Findings,
  path: FieldPath,
  filter: HttpRouteFilter,
  isPrefix: boolean,
): void {
  checkHeaders(findings, [...path, 'requestHeaderModifier'], filter.requestHeaderModifier);
  checkHeaders(findings, [...path, 'responseHeaderModifier'], filter.responseHeaderModifier);
  for (const field of ['requestRedirect', 'urlRewrite'] as const) {
    const { hostname, path: modifier } = filter[field] ?? {};
    if (hostname) report(findings, [...path, field, 'hostname'], hostProblem(hostname));
    if (!modifier) continue;
    for (const part of ['replaceFullPath', 'replacePrefixMatch'] as const) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
      if (/[\x00-\x1f\x7f]/.test(modifier[part] ?? '')) {
        findings.invalid([...path, field, 'path', part], 'the path has control characters');
      }
    }
    const own = modifier.type === 'ReplaceFullPath' ? 'replaceFullPath' : 'replacePrefixMatch';
    if (modifier[own] === undefined) {
      findings.missing([...path, field, 'path', own], `${modifier.type} needs ${own}`);
    }
    const text = modifier[own];
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    if (text !== undefined && /[\x00-\x20\x7f]/.test(text)) {
      findings.invalid([...path, field, 'path', own], 'a path has no blanks or control characters');
    }
    if (own === 'replacePrefixMatch' && !isPrefix) {
      findings.invalid([...path, field, 'path'], 'the rule must have one match, by PathPrefix');
    }
  }
  const { statusCode, scheme } = filter.requestRedirect ?? {};
  if (statusCode !== undefined && !redirectCodes.includes(statusCode)) {
    findings.invalid([...path, 'requestRedirect', 'statusCode'], '301, 302, 303, 307 or 308');
  }
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') {
    findings.invalid([...path, 'requestRedirect', 'scheme'], 'http or https');
  }
  const { percent, fraction } = filter.requestMirror ?? {};
  if (percent !== undefined && fraction) {
    findings.invalid(
      [...path, 'requestMirror', 'fraction'],
      'percent and fraction exclude each other',
    );
  }
  if (fraction && !isShare(fraction.numerator, fraction.denominator ?? 100)) {
    findings.invalid([...path, 'requestMirror', 'fraction'], 'the fraction is from 0 to 1');
  }
}

function isShare(numerator: number, denominator: number): boolean {
  return numerator >= 0 && denominator > 0 && numerator <= denominator;
}

function checkHeaders(findings: Findings, path: FieldPath, modifier?: HeaderModifier): void {
  for (const operation of ['set', 'add'] as const) {
    const names = new Set<string>();
    for (const [i, { name, value }] of (modifier?.[operation] ?? []).entries()) {
      const at = [...path, operation, i];
      if (!isHeaderName(name)) findings.invalid([...at, 'name'], 'this is no name of a header');
      if (names.has(name.toLowerCase())) findings.invalid([...at, 'name'], `${name} stands twice`);
      names.add(name.toLowerCase());
      report(findings, [...at, 'value'], headerTextProblem(value));
    }
  }
  for (const [i, name] of (modifier?.remove ?? []).entries()) {
    if (!isHeaderName(name))
      findings.invalid([...path, 'remove', i], 'this is no name of a header');
  }
}

function checkSession(findings: Findings, path: FieldPath, session?: SessionPersistence): void {
  if (!session) return;
  const lifetime = session.cookie?.lifetimeType ?? session.cookieConfig?.lifetimeType;
  if (lifetime === 'Permanent' && session.absoluteTimeout === undefined) {
    findings.missing([...path, 'absoluteTimeout'], 'a permanent cookie needs absoluteTimeout');
  }
  const { sessionName, cookie, header } = session;
  const names = [
    [['sessionName'], sessionName],
    [['cookie', 'name'], cookie?.name],
    [['header', 'name'], header?.name],
  ] as const;
  for (const [at, name] of names) {
    if (name !== undefined && !isHeaderName(name)) {
      findings.invalid([...path, ...at], 'the name has wrong characters');
    }
  }
  if (cookie?.path !== undefined && !/^\/[!-:<-~]*$/.test(cookie.path)) {
    findings.invalid([...path, 'cookie', 'path'], 'the path begins with / and has no blanks or ;');
  }
  if (session.type === 'Header' && !session.header?.name && !session.sessionName) {
    findings.missing([...path, 'header'], 'a session by header needs the name of the header');
  }
}

/** Checks a GRPCRoute. */
export const checkGrpcRoute: Check<GrpcRouteSpec> = (spec, findings) => {
  checkParentRefs(findings, spec.parentRefs);
  checkHostnames(findings, spec.hostnames);
  for (const [i, rule] of (spec.rules ?? []).entries()) checkGrpcRule(findings, ['rules', i], rule);
};

function checkGrpcRule(findings: Findings, path: FieldPath, rule: GrpcRouteRule): void {
  for (const [i, { method, headers }] of (rule.matches ?? []).entries()) {
    const at = [...path, 'matches', i];
    if (method && !method.service && !method.method) {
      findings.missing([...at, 'method'], 'a match of a method names a service, a method or both');
    }
    for (const field of ['service', 'method'] as const) {
      const text = method?.[field];
      if (text === undefined) continue;
      if (method?.type === 'RegularExpression') {
        report(findings, [...at, 'method', field], regexProblem(text));
      } else if (text.includes('/')) {
        findings.invalid([...at, 'method', field], `the name of a ${field} has no /`);
      }
    }
    checkNamed(findings, [...at, 'headers'], headers);
  }
  checkFilters(findings, path, (rule.filters ?? []) as HttpRouteFilter[], false);
  for (const [i, ref] of (rule.backendRefs ?? []).entries()) {
    checkFilters(
      findings,
      [...path, 'backendRefs', i],
      (ref.filters ?? []) as HttpRouteFilter[],
      false,
    );
  }
  checkSession(findings, [...path, 'sessionPersistence'], rule.sessionPersistence);
}
