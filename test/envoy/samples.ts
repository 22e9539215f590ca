// Istio's published samples, as test inputs: the same API objects as in its samples/ folder (bookinfo, httpbin,
// helloworld, tcp-echo), built here in our own words, so that what users apply unchanged is what is tested. Deployments
// are left out: their pods are WorkloadEntries with the same labels. Gateways are the business of other tests.
import { resource } from './fleet.js';

/** A Service with the labels and the selector that all samples have. */
export function sampleService(name: string, ports: readonly object[]): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', labels: { app: name, service: name } },
    spec: { ports, selector: { app: name } },
  };
}

/** What stands for the pod of a Deployment NAME-VERSION. */
export function pod(app: string, version: string, address: string): object {
  return resource('WorkloadEntry', `${app}-${version}`, { address, labels: { app, version } });
}

/** Subsets named as the value of the label `version`. */
export function versions(...names: string[]): object[] {
  return names.map((name) => ({ name, labels: { version: name } }));
}

const to = (host: string, subset: string, weight?: number) => ({
  destination: { host, subset },
  ...(weight !== undefined && { weight }),
});

/** A VirtualService for a service of bookinfo. */
const rule = (host: string, ...http: object[]) =>
  resource('VirtualService', host, { hosts: [host], http });

const isJason = [{ headers: { 'end-user': { exact: 'jason' } } }];

/** The Services of bookinfo.yaml. */
export const bookinfoServices = ['details', 'ratings', 'reviews', 'productpage'].map((name) =>
  sampleService(name, [{ port: 9080, name: 'http' }]),
);

const destinationRule = (name: string, ...subsets: string[]) =>
  resource('DestinationRule', name, { host: name, subsets: versions(...subsets) });

const jasonsRatings = (fault: object) =>
  rule(
    'ratings',
    { match: isJason, fault, route: [to('ratings', 'v1')] },
    { route: [to('ratings', 'v1')] },
  );

const percentage = { value: 100 };

/** Files of bookinfo/networking, by their names there. */
export const bookinfo = {
  'destination-rule-all': [
    destinationRule('productpage', 'v1'),
    destinationRule('reviews', 'v1', 'v2', 'v3'),
    destinationRule('ratings', 'v1', 'v2', 'v2-mysql', 'v2-mysql-vm'),
    destinationRule('details', 'v1', 'v2'),
  ],
  'destination-rule-reviews': [
    resource('DestinationRule', 'reviews', {
      host: 'reviews',
      trafficPolicy: { loadBalancer: { simple: 'RANDOM' } },
      subsets: versions('v1', 'v2', 'v3'),
    }),
  ],
  'virtual-service-all-v1': ['productpage', 'reviews', 'ratings', 'details'].map((name) =>
    rule(name, { route: [to(name, 'v1')] }),
  ),
  'virtual-service-reviews-test-v2': [
    rule(
      'reviews',
      { match: isJason, route: [to('reviews', 'v2')] },
      { route: [to('reviews', 'v1')] },
    ),
  ],
  'virtual-service-reviews-jason-v2-v3': [
    rule(
      'reviews',
      { match: isJason, route: [to('reviews', 'v2')] },
      { route: [to('reviews', 'v3')] },
    ),
  ],
  'virtual-service-reviews-v3': [rule('reviews', { route: [to('reviews', 'v3')] })],
  'virtual-service-reviews-50-v3': [
    rule('reviews', { route: [to('reviews', 'v1', 50), to('reviews', 'v3', 50)] }),
  ],
  'virtual-service-reviews-90-10': [
    rule('reviews', { route: [to('reviews', 'v1', 90), to('reviews', 'v2', 10)] }),
  ],
  'virtual-service-reviews-80-20': [
    rule('reviews', { route: [to('reviews', 'v1', 80), to('reviews', 'v2', 20)] }),
  ],
  'virtual-service-reviews-v2-v3': [
    rule('reviews', { route: [to('reviews', 'v2', 50), to('reviews', 'v3', 50)] }),
  ],
  'virtual-service-ratings-test-delay': [
    jasonsRatings({ delay: { percentage, fixedDelay: '7s' } }),
  ],
  'virtual-service-ratings-test-abort': [jasonsRatings({ abort: { percentage, httpStatus: 500 } })],
  'virtual-service-ratings-db': [
    rule('reviews', { route: [to('reviews', 'v3')] }),
    rule('ratings', { route: [to('ratings', 'v2')] }),
  ],
  'virtual-service-ratings-mysql': [
    rule('reviews', { route: [to('reviews', 'v3')] }),
    rule('ratings', { route: [to('ratings', 'v2-mysql')] }),
  ],
  'virtual-service-ratings-mysql-vm': [
    rule('reviews', { route: [to('reviews', 'v3')] }),
    rule('ratings', { route: [to('ratings', 'v2-mysql-vm')] }),
  ],
  'virtual-service-details-v2': [rule('details', { route: [to('details', 'v2')] })],
  'fault-injection-details-v1': [
    rule(
      'details',
      { fault: { abort: { httpStatus: 555, percentage } }, route: [to('details', 'v1')] },
      { route: [to('details', 'v1')] },
    ),
    destinationRule('details', 'v1'),
  ],
} satisfies Record<string, object[]>;
