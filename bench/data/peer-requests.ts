import { openGrpcClient } from '../load/grpc-client.ts';
import type { Scenario } from './scenario.ts';
import { JOIN_KEY, encodeRequest, entityIds, references, storedValue } from './official-layout.ts';
import { verifyReply } from './verify-reply.ts';

/** Where a server is asked, and how. */
export interface AskedServer {
  readonly protocol: 'grpc' | 'http';
  readonly port: number;
  readonly path: string;
}

/** Requests of a scenario for other entities each, as gRPC messages or JSON. */
export function distinctRequests(
  protocol: AskedServer['protocol'],
  { rows, features }: Scenario,
  { entities, count }: { readonly entities: number; readonly count: number },
): Uint8Array[] {
  const wanted = references(features);
  return Array.from({ length: count }, (_, n) => {
    const ids = entityIds(rows, n, entities);
    if (protocol === 'grpc') return encodeRequest(wanted, ids);
    return Buffer.from(JSON.stringify({ features: wanted, entities: { [JOIN_KEY]: ids } }));
  });
}

/** Asks once and compares every value with what was stored; gives the bytes of the reply. @throws Error for a wrong one */
export async function verifyServer(
  { protocol, port, path }: AskedServer,
  { rows, features }: Scenario,
  entities: number,
): Promise<number> {
  const wanted = references(features);
  const ids = entityIds(rows, 0, entities);
  if (protocol === 'grpc') {
    const client = await openGrpcClient(port);
    const reply = await client.call(path, encodeRequest(wanted, ids));
    client.close();
    verifyReply(reply, wanted, ids);
    return reply.length;
  }
  const body = JSON.stringify({ features: wanted, entities: { [JOIN_KEY]: ids } });
  const headers = { 'content-type': 'application/json' };
  const url = `http://127.0.0.1:${port}${path}`;
  const response = await fetch(url, { method: 'POST', body, headers });
  const text = await response.text();
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${text.slice(0, 200)}`);
  const { metadata, results } = JSON.parse(text) as {
    metadata: { feature_names: string[] };
    results: { values: number[] }[];
  };
  for (let feature = 0; feature < features; feature++) {
    const column = results[metadata.feature_names.indexOf(`feature_${feature}`)];
    const isRight = ids.every(
      (id, row) => column?.values[row] === Number(storedValue(id, feature)),
    );
    if (!isRight) throw new Error(`feature_${feature}: not what was stored`);
  }
  return text.length;
}
