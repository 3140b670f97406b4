// pomelo-node-tcp-client, over TCP, and over TLS through a tunnel, for it knows no TLS.
//
// What it cannot do, and is therefore not asked to: it knows neither dictionary nor schemas, but does not start without
// an empty set of them; it reads ids of one byte, and one package of what arrives together, so that it asks one thing at
// a time, and one client causes what another one hears; its bytes are signed, which today's Node refuses from 128 on, so
// that all text is ASCII; a kick sends it into an endless loop; it does not disconnect.

import net from 'node:net';
import tls from 'node:tls';
import Pomelo from 'pomelo-node-tcp-client';
import { check, equal, route, run, server, TEXT } from './check.mjs';

const PLAIN = 'text, "quoted"\\ \n\u0001';

/** Where the client connects to: the server, or a tunnel of our own to it. */
async function entrance() {
  if (!server.tls) return server;
  const tunnel = net.createServer({ noDelay: true }, (near) => {
    const far = tls.connect({ host: server.host, port: server.port, servername: server.host });
    far.setNoDelay();
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  });
  await new Promise((resolve) => tunnel.listen(0, server.host, resolve));
  return { host: server.host, port: tunnel.address().port };
}

/** A connected client. Nothing else is on the line by then: it has no heartbeats to say. */
function connect({ host, port }, heartbeat) {
  return new Promise((resolve) => {
    const client = new Pomelo();
    client.consoleLogs = false;
    client.init(host, port, { name: TEXT }, (response) => {
      equal([response.code, response.sys.heartbeat], [200, heartbeat]);
      resolve(client);
    });
  });
}

const ask = (client, name, body) => new Promise((resolve) => client.request(route(name), body, resolve));
const next = (client, event) => new Promise((resolve) => client.on(event, resolve));

/** Once the client has sent so many heartbeats: each but the first was called for by the server's answer. */
function beats(client, count) {
  return new Promise((resolve) => {
    const { beat } = client;
    client.beat = () => {
      beat.call(client);
      if (--count === 0) resolve();
    };
  });
}

run(async () => {
  const door = await entrance();

  if (server.heartbeat) {
    await check('heartbeats', async () => {
      await beats(await connect(door, server.heartbeat), 4);
    });
    return;
  }

  let ann;
  await check('handshake', async () => {
    ann = await connect(door);
  });
  await check('login', async () => {
    equal(await ask(ann, 'enter', { uid: 'ann', room: 'lobby' }), { code: 200, uid: 'ann' });
  });
  await check('a notify, and the push it causes', async () => {
    // It writes a notify as the request 2, so request 2 is one that gets no answer of its own. Of the push and the answer,
    // which come together, it reads the first.
    const answered = ask(ann, 'silent', {});
    const noted = next(ann, 'onNote').then(({ got }) => equal(got, 41));
    ann.notify(route('note'), { n: 41 });
    await Promise.race([answered, noted]);
  });
  await check('an answer', async () => {
    equal(await ask(ann, 'entry', {}), { code: 200, msg: 'game server is ok.' });
  });
  await check('echo', async () => {
    const body = { text: PLAIN, list: [1, -1, 0.1, true, null, { deep: [[]] }] };
    equal(await ask(ann, 'echo', body), body);
  });
  await check('a large body', async () => {
    const body = { text: PLAIN.repeat(100) };
    equal(await ask(ann, 'echo', body), body);
  });
  await check('an answer without a body', async () => {
    equal(await ask(ann, 'empty', {}), {});
  });

  await check('a room of two', async () => {
    const bob = await connect(door);
    equal(await ask(bob, 'enter', { uid: 'bob', room: 'lobby' }), { code: 200, uid: 'bob' });
    const heard = next(bob, 'onChat');
    ann.on('onChat', () => {});
    ann.request(route('say'), { text: PLAIN }, () => {});
    equal(await heard, { from: 'ann', msg: PLAIN });
    const all = next(bob, 'onAll');
    ann.on('onAll', () => {});
    ann.request(route('bcast'), { text: 'all' }, () => {});
    equal(await all, { text: 'all' });
  });

  const eve = await connect(door);
  await check('errors', async () => {
    equal(await ask(eve, 'fail', {}), { code: 500 });
    equal(await ask(eve, 'failWith', {}), { code: 42, text: 'mine' });
    equal(await ask(eve, 'nobodyHandlesThis', {}), { code: 500 });
  });
  await check('a handler that panics', async () => {
    equal(await ask(eve, 'throwing', {}), { code: 500 });
    equal(await ask(eve, 'echo', { u: 1 }), { u: 1 });
  });
});
