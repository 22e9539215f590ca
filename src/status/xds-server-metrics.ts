// The xDS server's streams as metrics: who is there, who waits and for what, and who was sent away. All are read
// when somebody scrapes. Names are listed in docs/metrics.md.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { XdsServerStats } from '../xds/server.js';

/** Registers them. `stats` is asked at each scrape. */
export function xdsServerMetrics(stats: () => XdsServerStats, registers: Registry[]): void {
  const gauge = (name: string, help: string, value: (now: XdsServerStats) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value(stats()));
      },
    });
  const total = (
    name: string,
    help: string,
    byReason: (now: XdsServerStats) => Readonly<Record<string, number>>,
  ) =>
    new Counter({
      name,
      help,
      labelNames: ['reason'],
      registers,
      collect() {
        this.reset();
        for (const [reason, count] of Object.entries(byReason(stats())))
          this.inc({ reason }, count);
      },
    });
  gauge('fairlead_xds_streams', 'Open discovery streams', ({ streams }) => streams);
  gauge(
    'fairlead_xds_health_streams',
    'Open streams of health checks',
    ({ healthStreams }) => healthStreams,
  );
  gauge(
    'fairlead_xds_silent_streams',
    'Open streams without a first request',
    ({ silentStreams }) => silentStreams,
  );
  gauge(
    'fairlead_xds_queued_streams',
    'New streams that wait to be served',
    ({ queuedStreams }) => queuedStreams,
  );
  gauge(
    'fairlead_xds_unsent_bytes',
    'Bytes of responses that clients have yet to take, counted for each stream',
    ({ unsentBytes }) => unsentBytes,
  );
  gauge(
    'fairlead_xds_unsent_memory_bytes',
    'Memory of responses that clients have yet to take; what streams share counts once',
    ({ unsentMemoryBytes }) => unsentMemoryBytes,
  );
  gauge(
    'fairlead_xds_streams_waiting_for_memory',
    'Streams that are sent nothing more until there is memory for it',
    ({ streamsWaitingForMemory }) => streamsWaitingForMemory,
  );
  gauge(
    'fairlead_xds_streams_waiting_for_turn',
    'Streams that have work to do in the next turns',
    ({ streamsWaitingForTurn }) => streamsWaitingForTurn,
  );
  total('fairlead_xds_refused_streams_total', 'Streams refused at the door', (now) => now.refused);
  total('fairlead_xds_ended_streams_total', 'Streams ended by the server', (now) => now.ended);
}
