#!/usr/bin/env node
// Completes package-lock.json after `npm install` ran against a registry mirror that lacks other platforms' binaries.
//
// npm then leaves those optional packages out of the lock file, and `npm ci` refuses the result ("Missing: … from lock
// file"). An entry needs only its version and the platform it is for; npm skips it everywhere else.
import { readFileSync, writeFileSync } from 'node:fs';

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8'));
const systems = {
  darwin: 'darwin',
  win32: 'win32',
  windows: 'win32',
  linux: 'linux',
  android: 'android',
  freebsd: 'freebsd',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
  sunos: 'sunos',
  aix: 'aix',
  openharmony: 'openharmony',
};
const processors = {
  x64: 'x64',
  arm64: 'arm64',
  arm: 'arm',
  armv7: 'arm',
  ia32: 'ia32',
  ppc64: 'ppc64',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  mips64el: 'mips64el',
  wasm32: 'wasm32',
};

let added = 0;
for (const [owner, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const places = [`${owner}/node_modules/${name}`, `node_modules/${name}`];
    if (places.some((place) => lock.packages[place])) continue;
    const words = name.replace(/^@[^/]+\//, '').split(/[-./]/);
    const os = words.map((word) => systems[word]).find(Boolean);
    const cpu = words.map((word) => processors[word]).find(Boolean);
    // A range that is not one version (optional peers such as "fsevents": "~2.3.3") keeps its lowest version.
    const wanted = { version: version.replace(/^[~^]/, ''), optional: true };
    if (entry.dev) wanted.dev = true;
    if (cpu) wanted.cpu = [cpu];
    if (os) wanted.os = [os];
    if (words.includes('musl')) wanted.libc = ['musl'];
    if (name === 'fsevents') wanted.os = ['darwin'];
    if (!wanted.os && !wanted.cpu) {
      console.warn(`left out: ${name}@${version}, wanted by ${owner}: no platform in its name`);
      continue;
    }
    lock.packages[places[1]] = wanted;
    added += 1;
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)),
);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json: ${added} packages of other platforms added`);
