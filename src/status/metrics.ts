// The metrics of the control plane, for Prometheus. Values are counted where things happen or read at scrape time;
// names are listed in docs/metrics.md.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { XdsServerStats } from '../xds/server.js';
import { xdsServerMetrics } from './xds-server-metrics.js';

/** How a workload is that registered itself: `unknown` before its probe's first result, `unprobed` without a probe. */
export type RegisteredHealth = 'healthy' | 'unhealthy' | 'unknown' | 'unprobed';

/** What is read when somebody scrapes, rather than kept up to date. */
export interface MetricSources {
  generation(): number;
  resourcesByKind(): Readonly<Record<string, number>>;
  problemCounts(): readonly { code: string; severity: string; count: number }[];
  connectedProxies(): number;
  distinctViews(): number;
  /** Workloads that registered themselves, by how they are. */
  registeredWorkloads(): Readonly<Record<RegisteredHealth, number>>;
  /** Envoy resources made anew since the start, by type. */
  builtResources(): Readonly<Record<string, number>>;
  /** Resources that are held back as a proxy refused them, by type. */
  heldBack(): Readonly<Record<string, number>>;
  /** The streams, and what waits for them. */
  xds(): XdsServerStats;
}

export interface Metrics {
  turnSeconds: Histogram;
  pushes: Counter<'type'>;
  pushedResources: Counter<'type'>;
  pushedBytes: Counter<'type'>;
  acks: Counter<'type'>;
  nacks: Counter<'type'>;
  translationFailures: Counter;
  /** The page, and its content type. */
  page(): Promise<{ contentType: string; text: string }>;
}

/** Makes a registry of its own, so that several control planes in one process do not meet. */
export function createMetrics(sources: MetricSources): Metrics {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  collectDefaultMetrics({ register: registry });
  readAtScrape(sources, registers);
  xdsServerMetrics(() => sources.xds(), registers);
  const byType = (name: string, help: string) =>
    new Counter({ name, help, labelNames: ['type'] as const, registers });
  return {
    turnSeconds: new Histogram({
      name: 'fairlead_turn_seconds',
      help: 'Time of one turn: from a change read to its snapshots handed to the streams',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
      registers,
    }),
    pushes: byType('fairlead_xds_pushes_total', 'Responses sent, by type'),
    pushedResources: byType('fairlead_xds_pushed_resources_total', 'Resources sent, by type'),
    pushedBytes: byType('fairlead_xds_pushed_bytes_total', 'Bytes of responses sent, by type'),
    acks: byType('fairlead_xds_acks_total', 'Responses that a proxy accepted, by type'),
    nacks: byType('fairlead_xds_nacks_total', 'Responses that a proxy refused, by type'),
    translationFailures: new Counter({
      name: 'fairlead_translation_failures_total',
      help: 'Views whose translation failed by a bug of ours; their last good snapshot stays',
      registers,
    }),
    page: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

/** What is read at scrape time. */
function readAtScrape(sources: MetricSources, registers: Registry[]): void {
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge('fairlead_generation', 'The latest accepted state of the mesh', sources.generation);
  gauge('fairlead_proxies', 'Connected proxies', sources.connectedProxies);
  gauge('fairlead_views', 'Distinct views that the connected proxies have', sources.distinctViews);
  new Counter({
    name: 'fairlead_resources_built_total',
    help: 'Envoy resources translated and encoded anew (not remembered), by type',
    labelNames: ['type'],
    registers,
    collect() {
      this.reset();
      for (const [type, count] of Object.entries(sources.builtResources()))
        this.inc({ type }, count);
    },
  });
  new Gauge({
    name: 'fairlead_registered_workloads',
    help: 'Workloads that registered themselves in WorkloadGroups, by health',
    labelNames: ['health'],
    registers,
    collect() {
      this.reset();
      for (const [health, count] of Object.entries(sources.registeredWorkloads()))
        this.set({ health }, count);
    },
  });
  new Gauge({
    name: 'fairlead_xds_held_back',
    help: 'Resources that are held back because a proxy refused them, by type',
    labelNames: ['type'],
    registers,
    collect() {
      this.reset();
      for (const [type, count] of Object.entries(sources.heldBack())) this.set({ type }, count);
    },
  });
  new Gauge({
    name: 'fairlead_resources',
    help: 'Resources in force, by kind',
    labelNames: ['kind'],
    registers,
    collect() {
      this.reset();
      for (const [kind, count] of Object.entries(sources.resourcesByKind()))
        this.set({ kind }, count);
    },
  });
  new Gauge({
    name: 'fairlead_problems',
    help: 'Problems now, by code and severity',
    labelNames: ['code', 'severity'],
    registers,
    collect() {
      this.reset();
      for (const { code, severity, count } of sources.problemCounts())
        this.set({ code, severity }, count);
    },
  });
}
