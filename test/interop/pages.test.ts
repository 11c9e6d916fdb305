import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { textsOf } from '../support/page-blocks.ts';
import { interopPath } from '../support/python.ts';
import { makeReader, standInCheckout, type Reader } from '../support/reader.ts';

/** Commands of a page that ask a server with clients from elsewhere, the loan-approval example being served. */
describe('pages that ask with grpcurl', () => {
  let reader: Reader;

  beforeAll(async () => {
    reader = await makeReader({ commands: new Map([['grpcurl', [interopPath('bin/grpcurl')]]]) });
    await standInCheckout(reader);
  });

  afterAll(() => reader.remove());

  test('README.md, deploy/README.md, docs/observing.md', async () => {
    const [, stepByStep = ''] = textsOf('examples/loan-approval/README.md', 'sh');
    const [, callIt = '', ownStore = ''] = textsOf('README.md', 'sh');
    const [check = '', ...rest] = ownStore
      .replaceAll('path/to/feature_repo', 'examples/loan-approval')
      .split('\n');
    const [compose = '', ...deployed] = textsOf('deploy/README.md', 'sh')[0]!.split('\n');
    expect(rest[0]).toContain('sideboard -c');
    expect(compose).toContain('docker compose');
    const question =
      '{"feature_service": "loan_decision", "entities": {"zipcode": {"val": [{"int64_val": "94109"}]}, "dob_ssn": {"val": [{"string_val": "19530219_5179"}]}}}';
    const timed = textsOf('docs/observing.md', 'sh')[0]!.replace('…', question);
    const [, found, asked, deployment, timing] = await reader.follow([
      stepByStep,
      check,
      callIt,
      deployed.join('\n'),
      timed,
    ]);
    expect(found).toContain('loan_approval');
    expect(asked!.match(/SAN FRANCISCO|"U0FOIEZSQU5DSVNDTw=="/g)!.length).toBeGreaterThanOrEqual(3);
    expect(deployment).toContain('feast.serving.ServingService');
    expect(deployment).toContain('SAN FRANCISCO');
    expect(timing).toMatch(
      /server-timing: queue;dur=[\d.]+, plan;dur=[\d.]+, store;dur=[\d.]+, assemble;dur=[\d.]+, bytes;desc="\d+"/,
    );
  });
});
