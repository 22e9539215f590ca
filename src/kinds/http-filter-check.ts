// The rules of fault injection and CORS in a VirtualService, after Istio's validation.
import { grpcStatuses } from '../lib/grpc-status.js';
import type { Findings } from './finding.js';
import { isHeaderName } from './names.js';
import type { FieldPath } from './problem.js';
import { regexProblem } from './regex-check.js';
import { checkDuration, checkOneOf, report } from './value-check.js';
import type { CorsPolicy, HttpFault } from './virtual-service.js';

/** Envoy's smallest share is one in a million; anything below would become none. */
function checkPercentage(
  findings: Findings,
  path: FieldPath,
  percentage: { value?: number } | undefined,
): void {
  const value = percentage?.value ?? 0;
  if (value > 0 && value < 0.0001) {
    findings.invalid([...path, 'percentage', 'value'], 'a percentage is 0, or at least 0.0001');
  }
}

/** Checks fault injection. */
export function checkFault(
  findings: Findings,
  path: FieldPath,
  fault: HttpFault | undefined,
): void {
  if (!fault) return;
  const { delay, abort } = fault;
  if (!delay && !abort) findings.missing(path, 'a fault must have a delay or an abort');
  if (delay) {
    const at = [...path, 'delay'];
    checkPercentage(findings, at, delay.percentage);
    if (delay.percent !== undefined && (delay.percent < 0 || delay.percent > 100)) {
      findings.invalid([...at, 'percent'], 'a percentage is from 0 to 100');
    }
    if (delay.percent) findings.deprecated([...at, 'percent'], 'percentage');
    checkDuration(findings, [...at, 'fixedDelay'], delay.fixedDelay);
    checkOneOf(findings, at, delay, ['fixedDelay', 'exponentialDelay']);
  }
  if (!abort) return;
  const at = [...path, 'abort'];
  checkPercentage(findings, at, abort.percentage);
  const set = checkOneOf(findings, at, abort, ['httpStatus', 'grpcStatus', 'http2Error']);
  if (set.length === 0) {
    findings.warn(at, 'without httpStatus or grpcStatus nothing is aborted');
  }
  if (abort.httpStatus !== undefined && (abort.httpStatus < 200 || abort.httpStatus > 599)) {
    findings.invalid([...at, 'httpStatus'], 'the status is from 200 to 599');
  }
  if (abort.grpcStatus !== undefined && !grpcStatuses.includes(abort.grpcStatus)) {
    const name = abort.grpcStatus.slice(0, 60);
    findings.invalid(
      [...at, 'grpcStatus'],
      `"${name}" is not a status of gRPC such as UNAVAILABLE`,
    );
  }
}

const methods = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  '*',
]);

/** Checks a CORS policy. */
export function checkCors(findings: Findings, path: FieldPath, cors: CorsPolicy | undefined): void {
  if (!cors) return;
  if (cors.allowOrigin?.length) findings.deprecated([...path, 'allowOrigin'], 'allowOrigins');
  for (const [index, origin] of (cors.allowOrigins ?? []).entries()) {
    const at = [...path, 'allowOrigins', index];
    checkOneOf(findings, at, origin, ['exact', 'prefix', 'regex']);
    if (!origin.exact && !origin.prefix && !origin.regex) {
      findings.missing(at, 'an origin must have exact, prefix or regex');
    } else if (origin.regex) {
      report(findings, [...at, 'regex'], regexProblem(origin.regex));
    }
  }
  for (const [index, method] of (cors.allowMethods ?? []).entries()) {
    if (methods.has(method)) continue;
    const at = [...path, 'allowMethods', index];
    findings.invalid(at, `"${method.slice(0, 60)}" is not a method of HTTP (in upper case)`);
  }
  for (const field of ['allowHeaders', 'exposeHeaders'] as const) {
    for (const [index, name] of (cors[field] ?? []).entries()) {
      if (name === '*' || isHeaderName(name)) continue;
      const at = [...path, field, index];
      findings.invalid(at, `"${name.slice(0, 60)}" is not the name of a header`);
    }
  }
  if (cors.maxAge === undefined) return;
  checkDuration(findings, [...path, 'maxAge'], cors.maxAge);
  if (cors.maxAge >= 1 && cors.maxAge % 1000 !== 0) {
    findings.invalid([...path, 'maxAge'], 'maxAge is in whole seconds');
  }
}
