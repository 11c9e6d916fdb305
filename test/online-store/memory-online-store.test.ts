import { createMemoryOnlineStore } from '../support/memory-online-store.ts';
import { describeOnlineStore } from './contract.ts';

// The store that the tests of retrieval read from has to be one.
describeOnlineStore('memory', async () => ({
  store: createMemoryOnlineStore(),
  stop: async () => undefined,
}));
