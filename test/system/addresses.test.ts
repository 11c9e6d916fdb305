import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { makeServedRepository } from '../support/served-repository.ts';
import { startSideboard } from '../support/sideboard-process.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Two addresses of this machine: who listens on one of them alone, or on both, can be told. */
const HERE = '127.0.0.1';
const ALSO_HERE = '127.0.0.2';

function isReached(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') resolve(false);
      else reject(error);
    });
  });
}

test.each([
  ['one process', []],
  ['workers that are given connections', ['--workers', '2']],
  ['workers that listen themselves', ['--workers', '2', '--port-sharing', 'reuse_port']],
])(
  '%s: port and admin port are reached where they should be, and nowhere else',
  async (_, flags) => {
    const repository = await makeServedRepository();
    closers.push(() => repository.remove());
    // By default, and each by itself elsewhere.
    for (const [host, adminHost] of [
      [undefined, undefined],
      [ALSO_HERE, undefined],
      [undefined, ALSO_HERE],
    ]) {
      const sideboard = await startSideboard({
        repoPath: repository.path,
        serveArguments: [
          ...flags,
          ...(host === undefined ? [] : ['--host', host]),
          ...(adminHost === undefined ? [] : ['--admin-host', adminHost]),
        ],
      });
      const adminPort = Number(new URL(sideboard.adminUrl).port);
      const reached: Record<string, boolean> = {};
      for (const address of [HERE, ALSO_HERE]) {
        reached[`port ${address}`] = await isReached(address, sideboard.port);
        reached[`admin ${address}`] = await isReached(address, adminPort);
      }
      await sideboard.stop();
      expect(reached).toEqual({
        [`port ${HERE}`]: host === undefined,
        [`port ${ALSO_HERE}`]: host !== undefined,
        [`admin ${HERE}`]: adminHost === undefined,
        [`admin ${ALSO_HERE}`]: adminHost !== undefined,
      });
    }
  },
);
