import { Redis } from 'ioredis';

/** CPU time that a Redis on loopback has used, user and system, in microseconds. */
export async function redisCpuUs(port: number): Promise<number> {
  const client = new Redis(port);
  const info = await client.info('cpu');
  client.disconnect();
  const seconds = ['used_cpu_sys', 'used_cpu_user'].map((name) =>
    Number(new RegExp(`^${name}:(.+)$`, 'm').exec(info)?.[1]),
  );
  return 1e6 * seconds.reduce((sum, each) => sum + each, 0);
}

/** The process of a Redis on loopback. */
export async function redisPid(port: number): Promise<number> {
  const client = new Redis(port);
  const info = await client.info('server');
  client.disconnect();
  return Number(/^process_id:(\d+)/m.exec(info)?.[1]);
}
