import { describe, expect, test } from 'vitest';
import {
  parseRedisConnectionString,
  type RedisConnectionString,
} from '../../src/config/redis-connection-string.ts';

const PLAIN: RedisConnectionString = {
  nodes: [{ host: 'h', port: 1 }],
  database: 0,
  ssl: false,
  verifyCertificate: true,
  checkHostname: true,
  sentinelTls: false,
  problems: [],
  warnings: [],
};

describe("Feast's grammar", () => {
  test.each<[string, Partial<RedisConnectionString>]>([
    ['h:1', {}],
    [' h:1 ', {}],
    ['10.0.0.1:6379', { nodes: [{ host: '10.0.0.1', port: 6379 }] }],
    ['[::1]:6379', { nodes: [{ host: '::1', port: 6379 }] }],
    ['[fe80::1%eth0]:1', { nodes: [{ host: 'fe80::1%eth0', port: 1 }] }],
    ['h:1,db=3', { database: 3 }],
    ['h:1,username=u,password=p', { username: 'u', password: 'p' }],
    // Split at the first =, JSON where it is JSON, as written where it is not.
    ['h:1,password=a=b==', { password: 'a=b==' }],
    ['h:1,password="a b"', { password: 'a b' }],
    ['h:1,password=1234', { password: '1234' }],
    ['h:1,password=00123', { password: '00123' }],
    ['h:1,password=1e3', { password: '1e3' }],
    ['h:1,password=', { password: '' }],
    ['h:1,password=null', {}],
    ['h:1,ssl=true', { ssl: true }],
    ['h:1,ssl=True', { ssl: true }],
    ['h:1,ssl=false', {}],
    ['h:1,ssl=False', {}],
    ['h:1,ssl_cert_reqs=none', { verifyCertificate: false }],
    ['h:1,ssl_cert_reqs=required', {}],
    ['h:1,ssl_check_hostname=false', { checkHostname: false }],
    [
      'h:1,ssl_ca_certs=/ca.pem,ssl_certfile=c.pem,ssl_keyfile=k.pem',
      { caFile: '/ca.pem', certFile: 'c.pem', keyFile: 'k.pem' },
    ],
    ['h:1,socket_timeout=0.25', { commandTimeoutMs: 250 }],
    ['h:1,socket_connect_timeout=2', { connectTimeoutMs: 2000 }],
    ['h:1,socket_timeout=None', {}],
    ['h:1,decode_responses=false', {}],
    ['h:1,sentinel_kwargs={"password":"p"}', { sentinelPassword: 'p' }],
    ['db=2,h:1', { database: 2 }],
    ['h:1,max_connections=10', { warnings: ['option max_connections has no effect here'] }],
    ['h:1,protocol=3', { warnings: ['option protocol has no effect here'] }],
  ])('%s', (text, expected) => {
    expect(parseRedisConnectionString(text, 'redis')).toEqual({ ...PLAIN, ...expected });
  });

  test.each(['redis_cluster', 'redis_sentinel'] as const)('%s takes several hosts', (kind) => {
    const { nodes, problems, warnings } = parseRedisConnectionString('a:1,b:2,c:3,ssl=true', kind);
    expect(nodes.map(({ host, port }) => `${host}:${port}`)).toEqual(['a:1', 'b:2', 'c:3']);
    expect([...problems, ...warnings]).toEqual([]);
  });

  test('a single node takes the first of several, and says so', () => {
    expect(parseRedisConnectionString('a:1,b:2', 'redis').warnings).toEqual([
      'redis_type redis uses the first host only; set redis_type: redis_cluster for a cluster',
    ]);
  });
});

describe('what is wrong', () => {
  test.each([
    ['', 'no host:port in it'],
    ['h', 'piece 1 is no host:port; write host:port'],
    ['h:0', 'piece 1 is no host:port; write host:port'],
    ['h:65536', 'piece 1 is no host:port; write host:port'],
    ['redis://h:1', 'piece 1 is no host:port; Feast wants host:port, no URL'],
    ['::1:6379', 'piece 1 is no host:port; put an IPv6 address in brackets: [::1]:6379'],
    ['h:1,pasword=x', 'option pasword is unknown; did you mean password?'],
    ['h:1,retry={}', 'option retry is unknown'],
    ['h:1,db=-1', 'option db must be a whole number, 0 or more'],
    ['h:1,db=one', 'option db must be a whole number, 0 or more'],
    ['h:1,ssl=maybe', 'option ssl must be true or false'],
    ['h:1,ssl_cert_reqs=some', 'option ssl_cert_reqs must be required, optional or none'],
    ['h:1,socket_timeout=0', 'option socket_timeout must be a number of seconds above 0'],
    ['h:1,decode_responses=true', 'option decode_responses must be false: stored values are bytes'],
    ['h:1,sentinel_kwargs=[1]', 'option sentinel_kwargs must be a JSON object'],
  ])('%j: %s', (text, problem) => {
    expect(parseRedisConnectionString(text, 'redis').problems).toContain(problem);
  });

  test('a cluster has one database', () => {
    expect(parseRedisConnectionString('h:1,db=1', 'redis_cluster').problems).toEqual([
      'a Redis Cluster has database 0 only; remove db',
    ]);
    expect(parseRedisConnectionString('h:1,db=0', 'redis_cluster').problems).toEqual([]);
  });

  test.each(['h:1,password=abc,def', 'h:1,password=abc,d=f', 'h:1,password=abc,d e=f'])(
    'a comma in a password is explained without repeating any of it: %s',
    (text) => {
      const { problems } = parseRedisConnectionString(text, 'redis');
      expect(problems).toEqual([
        expect.stringContaining('a password with a comma belongs in sideboard.redis_password'),
      ]);
      expect(problems.join()).not.toMatch(/abc|def|d=f|d e/);
    },
  );
});
