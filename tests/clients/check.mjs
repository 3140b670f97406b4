// What the scripts share: where the server is, and how a failed check is told.
//
// A script is run as `node NAME.mjs '{"port":3010,"tls":false,"compact":true}'`. `compact` says that the server uses
// the demo's dictionary and schemas; `heartbeat` tells tcp.mjs that there are heartbeats, every so many seconds, and to
// try nothing else. The first check that fails ends the script, with its name and exit code 1.

export { deepStrictEqual as equal, ok } from 'node:assert';

/** Where the server is, and what it does there. */
export const server = { host: 'localhost', port: 3010, tls: false, compact: false, ...argument() };

/** Text that goes wrong easily: two and three bytes, beyond the basic plane, and what JSON escapes. */
export const TEXT = 'größer, 你好, 😀 and 👩‍🚀, "quoted"\\ \n\u0001';

/** A body of the `echo` handler that its schema has room for; every float in it is exact. */
export const TYPED = {
  u: 4294967295,
  s: -2147483648,
  i: -1,
  f: 0.5,
  d: 1e-7,
  str: 'größer, 你好',
  nums: [0, 127, 128, 65536],
  strs: ['', 'ä'],
  item: { id: 7, delta: -3, tags: ['a', 'b'] },
  items: [{ id: 1, tags: ['b', ''] }, { id: 2, delta: 5, tags: ['c'] }],
};

/** A body that only JSON has room for. */
export const UNTYPED = {
  text: TEXT,
  [TEXT]: [1, -1, 0.1, 1e100, true, false, null, { deep: [[[]]] }],
  empty: {},
};

/** The route of a handler. */
export const route = (name) => `connector.entryHandler.${name}`;

/** The longest a whole script may take. It takes about seven seconds, in which it mostly waits for heartbeats. */
const PATIENCE_MS = 40_000;

let now = 'the start';
let passed = 0;

/** Runs one check. */
export async function check(what, work) {
  now = what;
  await work();
  passed += 1;
  console.log(`ok: ${what}`);
}

/** Runs a script, and says how it went. Clients leave timers and sockets behind, so this ends the process. */
export function run(script) {
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  setTimeout(() => fail(new Error(`nothing came within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  script().then(() => {
    console.log(`${passed} checks passed`);
    process.exit(0);
  }, fail);
}

function fail(error) {
  console.error(`failed: ${now}\n${error?.stack ?? error}`);
  process.exit(1);
}

function argument() {
  const [text] = process.argv.slice(2);
  return text ? JSON.parse(text) : {};
}
