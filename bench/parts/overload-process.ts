/**
 * Measures one server with more than it can answer, see `overload.ts`. A process of its own, because it gives way to all others
 * for good.
 *
 * Standard input: `OverloadOptions`, JSON. Standard output: `OverloadFigures`, JSON.
 */
import { text } from 'node:stream/consumers';
import { measureOverload, type OverloadOptions } from './overload.ts';

const options = JSON.parse(await text(process.stdin)) as OverloadOptions;
process.stdout.write(JSON.stringify(await measureOverload(options)));
