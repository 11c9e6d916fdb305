import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { configurationPage } from '../../src/config/configuration-page.ts';

it('docs/configuration.md is what the table of settings says (UPDATE_DOCS=1 writes it)', () => {
  const path = 'docs/configuration.md';
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(path, configurationPage());
  expect(readFileSync(path, 'utf8')).toBe(configurationPage());
});
