// The names under which clients of one namespace call a service: the domains of its virtual host. Ports are not
// part of them, since Envoy ignores the port of the Host header here (ignore_port_in_host_matching).
import { isIP, isIPv6 } from 'node:net';
import { interner } from '../lib/intern.js';
import { memoize } from '../lib/memo.js';
import type { Service } from '../mesh/service.js';
import { addressesOf } from './service-address.js';

/** Domains of a service, the fully qualified ones first. */
export interface ServiceDomains {
  all: readonly string[];
  /** Those that are short for the hostname. They give way when they are the full name of another service. */
  short: readonly string[];
}

/** What of a proxy decides domains. */
export interface DomainClient {
  /** e.g. `default.svc.cluster.local`. */
  dnsDomain: string;
  ipv4: boolean;
  ipv6: boolean;
  dnsCapture?: boolean;
}

/**
 * The domains of a service: hostname, hostname with a final dot, short forms, `*.` of each for a headless service
 * (its endpoints have names of their own), and virtual IPs of the families that the client has.
 */
export function serviceDomains(service: Service, client: DomainClient): ServiceDomains {
  return domainsOf(domainClient(client), service);
}

/** The domains of one alias of a service, for a rule that is for this name only. */
export function aliasDomains(alias: string, { dnsDomain }: DomainClient): ServiceDomains {
  const short = shortForms(alias.toLowerCase(), dnsDomain);
  return { all: [alias.toLowerCase(), ...short], short };
}

/** An IPv6 address in brackets, as in a Host header; any other host as it is. */
export function hostDomain(host: string): string {
  // Node's test is a long regular expression, and nearly all hosts are names.
  return host.includes(':') && isIPv6(host) ? `[${host}]` : host;
}

const internClient = interner<DomainClient>();

/** One object for all clients that have the same domains. */
const domainClient = memoize(
  ({ dnsDomain, ipv4, ipv6, dnsCapture = false }: DomainClient): DomainClient => {
    const client = { dnsDomain, ipv4, ipv6, dnsCapture };
    return internClient(JSON.stringify(client), client);
  },
);

const domainsOf = memoize(
  (
    { dnsDomain, ipv4, ipv6, dnsCapture = false }: DomainClient,
    service: Service,
  ): ServiceDomains => {
    // ExternalName services that point here are other names of the same service.
    const hostnames = [service.hostname, ...(service.aliases ?? [])].map((h) => h.toLowerCase());
    const short = hostnames.flatMap((hostname) => shortForms(hostname, dnsDomain));
    const names = [...hostnames.map(hostDomain), ...short];
    const inCluster = service.registry === 'kubernetes';
    if (service.headless && inCluster) names.push(...names.map((name) => `*.${name}`));
    for (const address of addressesOf(service, { ipv4, ipv6, dnsCapture })) {
      // Clients of another family cannot reach it; addresses of a ServiceEntry are only names to match.
      const reachable = !inCluster || (isIPv6(address) ? ipv6 : ipv4);
      // A CIDR is no host that a client could name.
      if (isIP(address) && reachable && address !== '0.0.0.0') names.push(hostDomain(address));
    }
    return { all: [...new Set(names)], short };
  },
);

/**
 * Short forms of a hostname for clients with a DNS search path: `name` within its namespace, `name.namespace` and
 * `name.namespace.svc` everywhere in the cluster; other hosts of the client's own domain lose what they share.
 */
export function shortForms(hostname: string, dnsDomain: string): string[] {
  const forms = mayBeIp.test(hostname) && isIP(hostname) ? [] : [`${hostname}.`];
  const svc = dnsDomain.indexOf('.svc.');
  if (svc > 0) {
    if (!hostname.endsWith(dnsDomain.slice(svc))) return forms;
    return [...forms, ...kubernetesForms(hostname, dnsDomain.slice(0, svc))];
  }
  const own = hostname.split('.');
  const theirs = dnsDomain.split('.');
  const shared: string[] = [];
  while (own.length > 0 && theirs.length > 0 && own.at(-1) === theirs.at(-1)) {
    shared.unshift(own.pop()!);
    theirs.pop();
  }
  if (shared.length === 0 || own.length === 0) return forms;
  const unique = own.join('.');
  forms.push(unique);
  if (own.length === 2) forms.push(`${unique}.${shared[0]}`);
  return forms;
}

/** An address ends in a digit, or has colons. */
const mayBeIp = /\d$|:/;

function kubernetesForms(hostname: string, clientNamespace: string): string[] {
  const before = hostname.slice(0, hostname.indexOf('.svc.'));
  const dot = before.indexOf('.');
  if (dot < 0) return [];
  const sameNamespace = before.slice(dot + 1) === clientNamespace;
  return [...(sameNamespace ? [before.slice(0, dot)] : []), before, `${before}.svc`];
}
