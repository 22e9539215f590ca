// Where a port of a service stands in the file of the service.
import type { FieldPath } from '../kinds/problem.js';
import type { Service, ServicePort } from './service.js';

/** `spec.ports[i]`. A port that another definition of the host has added has a place that is not there: `spec.ports`. */
export function portPath({ ports }: Service, { number, name }: ServicePort): FieldPath {
  const i = ports.findIndex((port) => port.number === number && port.name === name);
  return i < 0 ? ['spec', 'ports'] : ['spec', 'ports', i];
}
