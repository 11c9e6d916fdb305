import { readSnapshot } from '../../src/cli/read-snapshot.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { openOnlineStore } from '../../src/online-store/open-online-store.ts';
import type { RegistrySource } from '../../src/registry/registry-model.ts';
import { assembleResponse } from '../../src/retrieval/assemble-response.ts';
import { decodeRequest } from '../../src/retrieval/decode-request.ts';
import { createFeatureReader } from '../../src/retrieval/feature-reader.ts';
import { FIELD_STATUS } from '../../src/retrieval/retrieved-features.ts';
import { encodeRequest } from '../data/official-layout.ts';
import type { ReadClient } from './redis-read-clients.ts';

/** The read path of the server without its transport: from the bytes of a request to the bytes of the response. */
export async function openFeatureClient(
  repoPath: string,
  features: readonly string[],
  idSets: readonly (readonly number[])[],
): Promise<ReadClient> {
  const config = loadConfig({ repoPath, env: {} });
  const snapshot = await readSnapshot(config);
  const store = await openOnlineStore(config.onlineStore);
  const reader = createFeatureReader({
    registry: { current: () => snapshot } as RegistrySource,
    store,
    entityKeyVersion: config.entityKeySerializationVersion,
    limits: config.limits,
    semantics: config.semantics,
  });
  const messages = idSets.map((ids) => encodeRequest(features, ids));
  return {
    read(set) {
      const request = decodeRequest(messages[set]!, config.limits);
      const options = {
        enforceTtl: true,
        nowSeconds: Math.floor(Date.now() / 1000),
        deadlineAtMs: performance.now() + 10_000,
      };
      return reader.read(request, options, (retrieved) => {
        assembleResponse(retrieved, 5);
        // Statuses of the entity column are there too, all PRESENT.
        const { plan, statuses, rowCount } = retrieved;
        let found = -rowCount;
        for (let i = 0; i < plan.outputNames.length * rowCount; i++) {
          if (statuses[i] === FIELD_STATUS.PRESENT) found++;
        }
        return found;
      });
    },
    close: () => store.close(),
  };
}
