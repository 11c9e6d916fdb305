import { expect, test } from 'vitest';
import { createNameCheck, parseAltNames } from '../../src/tls/client-names.ts';

test('names are compared whole, and with names of their own kind', () => {
  const allowed = createNameCheck([
    'Scoring.Example',
    'spiffe://mesh/ns/scoring',
    'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    '10.0.0.7',
    '2001:db8::1',
    'ops@example.com',
  ]);
  const yes = [
    'DNS:scoring.example',
    'DNS:other.example, URI:spiffe://mesh/ns/scoring',
    'URI:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    'IP Address:10.0.0.7',
    'IP Address:2001:DB8:0:0:0:0:0:1',
    'email:ops@example.com',
  ];
  const no = [
    undefined,
    '',
    'DNS:a.scoring.example',
    'DNS:scoring.example.evil',
    'DNS:*.example',
    'URI:spiffe://mesh/ns/scoring/sub',
    'URI:spiffe://MESH/ns/scoring',
    'DNS:spiffe://mesh/ns/scoring',
    'URI:scoring.example',
    'DNS:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    'URI:2001:db8::1',
    'DNS:10.0.0.7',
    'IP Address:10.0.0.70',
    'email:OPS@example.com',
  ];
  expect(yes.filter((names) => !allowed(names))).toEqual([]);
  expect(no.filter((names) => allowed(names))).toEqual([]);
});

test('an empty list lets in everybody, even without a name', () => {
  expect(createNameCheck([])(undefined)).toBe(true);
});

test('a name that holds what looks like a list is one name', () => {
  const text = 'DNS:a.example, URI:"spiffe://x, DNS:scoring.example", DNS:"q\\"uote"';
  expect(parseAltNames(text)).toEqual([
    { kind: 'DNS', name: 'a.example' },
    { kind: 'URI', name: 'spiffe://x, DNS:scoring.example' },
    { kind: 'DNS', name: 'q"uote' },
  ]);
  expect(createNameCheck(['scoring.example'])(text)).toBe(false);
});
