import dns, { type LookupAddress, type LookupOptions } from 'node:dns';
import promises from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';

type Callback = (error: null, address: string | LookupAddress[], family?: number) => void;

/**
 * Has this process's resolver answer one host name with an address of our choice, as a name server would whose entry
 * changes; all other names are resolved as ever. Returns the function that ends it.
 *
 * @param addressNow asked at each look-up; IPv4.
 */
export function answerName(name: string, addressNow: () => string): () => void {
  const [lookup, lookupPromise] = [dns.lookup, promises.lookup];
  const found = (): LookupAddress => ({ address: addressNow(), family: 4 });
  const ours = (hostname: string, options: LookupOptions | Callback, callback?: Callback): void => {
    if (hostname !== name) {
      Reflect.apply(lookup, dns, [hostname, options, callback]);
      return;
    }
    const answer = (typeof options === 'function' ? options : callback)!;
    const wantsAll = typeof options === 'object' && options.all === true;
    const { address, family } = found();
    setImmediate(() => (wantsAll ? answer(null, [found()]) : answer(null, address, family)));
  };
  const oursPromise = async (hostname: string, options?: LookupOptions): Promise<unknown> => {
    if (hostname !== name) return Reflect.apply(lookupPromise, promises, [hostname, options]);
    return options?.all === true ? [found()] : found();
  };
  Object.assign(dns, { lookup: ours });
  Object.assign(promises, { lookup: oursPromise });
  syncBuiltinESMExports();
  return () => {
    Object.assign(dns, { lookup });
    Object.assign(promises, { lookup: lookupPromise });
    syncBuiltinESMExports();
  };
}
