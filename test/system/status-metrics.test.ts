import { toBinary } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { ValueSchema, ValueType_Enum } from '../../gen/feast/types/Value_pb.ts';
import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { encodeRequest, requestBody, valueMessage } from '../support/encode-request.ts';
import { connectGoldenClients } from '../support/golden-clients.ts';
import { serveFromSqlite } from '../support/made-repository.ts';

it('answers of every protocol are counted by the statuses of their values, pushes are not', async () => {
  const INT64 = ValueType_Enum.INT64;
  const server = await serveFromSqlite(
    {
      project: 'counts',
      entityKeyVersion: 3,
      views: [
        {
          name: 'v',
          joinKeys: new Map([['id', INT64]]),
          featureNames: ['a', 'b'],
        },
      ],
    },
    [
      {
        viewName: 'v',
        featureName: 'a',
        entityKey: serializeEntityKey(
          ['id'],
          [
            {
              type: INT64,
              value: 1n,
            },
          ],
          3,
        ),
        value: toBinary(ValueSchema, valueMessage('int64Val', 5n)),
      },
    ],
  );
  const clients = connectGoldenClients(server.port);
  try {
    const ids = [1n, 2n];
    const message = encodeRequest(['v:a', 'v:b'], {
      id: ids.map((id) => valueMessage('int64Val', id)),
    });
    for (const service of ['GrpcFeatureServer', 'feast.serving.ServingService']) {
      await clients.grpcBytes(`/${service}/GetOnlineFeatures`, message);
    }
    const post = { method: 'POST', headers: { 'content-type': 'application/json' } };
    await clients.httpReply({
      ...post,
      path: '/get-online-features',
      body: requestBody(['v:a', 'v:b'], { id: ids.map(String) }),
    });
    const connect = await clients.httpReply({
      ...post,
      path: '/feast.serving.ServingService/GetOnlineFeatures',
      body: JSON.stringify({
        features: { val: ['v:a', 'v:b'] },
        entities: { id: { val: ids.map((id) => ({ int64_val: String(id) })) } },
      }),
    });
    expect(connect.status).toBe(200);
    const write = await clients.httpReply({
      ...post,
      path: '/write-to-online-store',
      body: JSON.stringify({
        feature_view_name: 'v',
        df: {
          id: [7],
          a: [1],
          b: [2],
          event_timestamp: ['2026-01-01T00:00:00Z'],
        },
      }),
    });
    expect(write.status).toBe(200);

    const metrics = await fetch(`http://127.0.0.1:${server.adminPort}/metrics`);
    const lines = (await metrics.text()).split('\n');
    expect(lines).toContain('feast_online_features_request_total 4');
    const status = 'feast_online_features_status_total{feature_view="v",status=';
    expect(lines).toContain(`${status}"present"} 4`);
    expect(lines).toContain(`${status}"not_found"} 12`);
  } finally {
    clients.close();
    await server.close();
  }
});
