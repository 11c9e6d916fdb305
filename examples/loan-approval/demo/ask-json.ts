import { request } from 'node:http';
import { type FeatureAnswer, answerOfJson } from '../../../src/cli/feature-answer.ts';
import { parseJson } from '../../../src/http/json-parser.ts';

/**
 * Asks for a feature service over Feast's JSON API. Not with `fetch`: 6566, Feast's port, is among those that `fetch` refuses
 * to call, in Node as in browsers.
 *
 * @throws Error when the answer is not 200
 */
export async function askJson(
  server: string,
  featureService: string,
  entities: Readonly<Record<string, readonly (number | string)[]>>,
): Promise<FeatureAnswer> {
  const { statusCode, text } = await post(
    new URL('/get-online-features', server),
    JSON.stringify({ feature_service: featureService, entities }),
  );
  if (statusCode !== 200) throw new Error(`HTTP ${statusCode}: ${text}`);
  return answerOfJson(parseJson(text));
}

function post(url: URL, body: string): Promise<{ statusCode: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const call = request(url, { method: 'POST', headers, timeout: 5_000 }, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk: string) => (text += chunk));
      response.once('error', reject);
      response.once('end', () => resolve({ statusCode: response.statusCode, text }));
    });
    call.once('timeout', () => call.destroy(new Error('no answer within 5 s')));
    call.once('error', reject);
    call.end(body);
  });
}
