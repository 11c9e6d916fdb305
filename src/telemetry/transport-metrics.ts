import { Counter, Gauge, type Registry } from 'prom-client';
import type { DoorCounts } from '../port/connection-router.ts';
import type { EngineCounters } from '../http2/http2-engine.ts';

/** What the transport has counted since its start; read when metrics are collected. */
export interface TransportCounts {
  /** By listener. */
  readonly doors: Readonly<Record<string, Readonly<DoorCounts>>>;
  readonly http2: Readonly<EngineCounters>;
  /** Bytes that wait for HTTP/2 clients. */
  queuedBytes(): number;
  /** Whole gRPC messages. */
  readonly messages: {
    readonly receivedMessageCount: number;
    readonly sentMessageCount: number;
  };
}

/** What channelz tells of listeners, sockets and calls (https://github.com/grpc/proposal/blob/master/A14-channelz.md), as metrics. */
export function addTransportMetrics(registers: Registry[], counts: TransportCounts): void {
  const { doors, http2, messages } = counts;
  const byListener = (
    made: Counter<'listener'> | Gauge<'listener'>,
    read: (door: Readonly<DoorCounts>) => number,
  ): void => {
    made.reset();
    for (const [listener, door] of Object.entries(doors)) made.inc({ listener }, read(door));
  };
  const labelNames = ['listener'] as const;
  const live: Gauge<'listener'> = new Gauge({
    name: 'feature_server_connections',
    help: 'Open connections of every protocol by listener (port, unix).',
    labelNames,
    registers,
    aggregator: 'sum',
    collect: () => byListener(live, ({ opened, closed }) => opened - closed),
  });
  const ofDoor = (what: keyof DoorCounts, help: string): void => {
    const made: Counter<'listener'> = new Counter({
      name: `feature_server_connections_${what}_total`,
      help,
      labelNames,
      registers,
      collect: () => byListener(made, (door) => door[what]),
    });
  };
  ofDoor('opened', 'Connections that were taken, by listener.');
  ofDoor('closed', 'Of those, the ones that are over.');
  ofDoor('refused', 'Connections that were closed at once because max_connections were open.');

  const counter = (name: string, help: string, read: () => number): void => {
    const made: Counter = new Counter({
      name: `feature_server_${name}_total`,
      help,
      registers,
      collect(): void {
        made.reset();
        made.inc(read());
      },
    });
  };
  counter('http2_streams_started', 'HTTP/2 streams that clients opened.', () => http2.streams);
  counter(
    'http2_streams_succeeded',
    'Streams whose response was sent to its end, whatever it says.',
    () => http2.streamsSucceeded,
  );
  counter(
    'http2_streams_failed',
    'Streams that ended before that: reset by either side, or lost with their connection.',
    () => http2.streamsClosed - http2.streamsSucceeded,
  );
  counter(
    'http2_streams_reset_by_client',
    'Streams that clients reset, as when a deadline passes.',
    () => http2.streamsReset,
  );
  counter(
    'http2_stream_errors',
    'Streams that were reset or refused for what their client did.',
    () => http2.streamErrors,
  );
  counter(
    'http2_connection_errors',
    'HTTP/2 connections that were ended for what their client did.',
    () => http2.connectionErrors,
  );
  counter('http2_pings_received', 'Pings of clients, and their answers.', () => http2.pings);
  counter(
    'http2_keepalives_sent',
    'Pings that asked silent clients whether they are there.',
    () => http2.keepAlivesSent,
  );
  counter(
    'http2_flow_control_stalls',
    'Times that a response had to wait for its client to open a window.',
    () => http2.flowControlStalls,
  );
  counter(
    'grpc_messages_received',
    'Whole gRPC messages of clients.',
    () => messages.receivedMessageCount,
  );
  counter('grpc_messages_sent', 'gRPC messages to clients.', () => messages.sentMessageCount);
  const queued: Gauge = new Gauge({
    name: 'feature_server_http2_queued_bytes',
    help: 'Bytes that wait for HTTP/2 clients: to read responses, to go on with requests.',
    registers,
    aggregator: 'sum',
    collect: () => queued.set(counts.queuedBytes()),
  });
}
