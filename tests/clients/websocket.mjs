// pomelo-client-websocket, over ws and wss.
//
// What it cannot do, and is therefore not asked to: it never sends a route's number (it looks for its dictionary in the
// wrong place); it writes the bytes of a request's id in the wrong order, so that the answers to ids that end in a zero
// byte, 128 and its multiples, are lost, as they are with Pomelo itself; and it tells nobody the reason of a kick, which
// is read off its socket here.

import Pomelo from 'pomelo-client-websocket';
import { check, equal, ok, route, run, server, TEXT, TYPED, UNTYPED } from './check.mjs';

const HEARTBEAT = 3;
const KICK = 5;

/** A connected client. */
function connect(params = {}) {
  return new Promise((resolve, reject) => {
    const client = new Pomelo();
    client.on('io-error', (event) => reject(event.error ?? new Error(event.message)));
    client.on('error', (text) => reject(new Error(text)));
    client.on('heartbeat timeout', () => reject(new Error('the server is silent')));
    const { host, port, tls } = server;
    client.init({ host, port, scheme: tls ? 'wss' : 'ws', user: { name: TEXT }, ...params }, () => resolve(client));
  });
}

const ask = (client, name, body) => new Promise((resolve) => client.request(route(name), body, resolve));
const next = (client, event) => new Promise((resolve) => client.once(event, resolve));

async function login(uid, room = 'lobby') {
  const client = await connect();
  equal(await ask(client, 'enter', { uid, room }), { code: 200, uid });
  return client;
}

/** The first `count` bodies of a push. */
function collect(client, event, count) {
  return new Promise((resolve) => {
    const got = [];
    client.on(event, (body) => got.push(body) === count && resolve(got));
  });
}

/** Once the client has sent so many heartbeats: each but the first was called for by the server's answer. */
function beats(client, count) {
  return new Promise((resolve) => {
    const { send } = client;
    client.send = (packet) => {
      send.call(client, packet);
      if (packet[0] === HEARTBEAT && --count === 0) resolve();
    };
  });
}

/** The reason of the kick that comes next. */
function kicked(client) {
  return new Promise((resolve) => {
    client.socket.on('message', (data) => {
      const bytes = Buffer.from(data);
      if (bytes[0] === KICK) resolve(JSON.parse(bytes.subarray(4).toString()).reason);
    });
  });
}

run(async () => {
  let ann;
  await check('handshake', async () => {
    ann = await connect();
    equal('dict' in ann.data, server.compact);
    equal('protos' in ann.data, server.compact);
  });
  await check('an answer', async () => {
    equal(await ask(ann, 'entry', {}), { code: 200, msg: 'game server is ok.' });
  });
  await check('login', async () => {
    equal(await ask(ann, 'enter', { uid: 'ann', room: 'lobby' }), { code: 200, uid: 'ann' });
    const again = await ask(ann, 'enter', { uid: 'eve', room: 'lobby' });
    equal(again, { code: 500, error: 'session has already bind with ann' });
  });

  await check('echo', async () => {
    const body = server.compact ? TYPED : UNTYPED;
    equal(await ask(ann, 'echo', body), body);
  });
  await check('text in JSON', async () => {
    equal(await ask(ann, 'slow', { ms: 0, n: UNTYPED }), { code: 200, n: UNTYPED });
  });
  await check('an answer without a body', async () => {
    equal(await ask(ann, 'empty', {}), {});
  });
  await check('many requests at once', async () => {
    const busy = await connect();
    const numbers = Array.from({ length: 127 }, (_, n) => n);
    const answers = await Promise.all(numbers.map((u) => ask(busy, 'echo', { u })));
    equal(answers.map(({ u }) => u), numbers);
    busy.disconnect();
  });
  await check('answers out of order', async () => {
    const order = [];
    const slow = (ms, n) => ask(ann, 'slow', { ms, n }).then((answer) => order.push(answer.n));
    await Promise.all([slow(300, 'late'), slow(0, 'soon')]);
    equal(order, ['soon', 'late']);
  });

  await check('a notify, and the push it causes', async () => {
    const noted = next(ann, 'onNote');
    ann.notify(route('note'), { n: 41 });
    equal(await noted, { got: 41 });
  });
  await check('pushes in order', async () => {
    const pushes = collect(ann, 'onMsg', 50);
    equal(await ask(ann, 'pushMany', { n: 50 }), { code: 200 });
    equal((await pushes).map(({ n }) => n), Array.from({ length: 50 }, (_, n) => n));
  });
  await check('text in a push', async () => {
    const pushed = next(ann, 'onOther');
    await ask(ann, 'pushMe', { route: 'onOther', body: UNTYPED });
    equal(await pushed, UNTYPED);
  });

  let bob;
  await check('a room of two', async () => {
    bob = await login('bob');
    const stranger = await login('stranger', 'elsewhere');
    stranger.on('onChat', () => ok(false, 'who is elsewhere hears nothing'));
    const msg = server.compact ? 'größer, 你好' : TEXT;
    const heard = [ann, bob].map((client) => next(client, 'onChat'));
    equal(await ask(ann, 'say', { text: msg }), { code: 200 });
    for (const { from, msg: text } of await Promise.all(heard)) equal([from, text], ['ann', msg]);
    const back = next(ann, 'onChat');
    await ask(bob, 'say', { text: 'hi' });
    equal(await back, { from: 'bob', msg: 'hi' });
    // What is answered later than the last push to it: the stranger has been told all there was.
    await ask(stranger, 'entry', {});
    stranger.disconnect();
  });
  await check('a broadcast', async () => {
    const heard = [ann, bob].map((client) => next(client, 'onAll'));
    await ask(bob, 'bcast', { text: 'all' });
    equal(await Promise.all(heard), [{ text: 'all' }, { text: 'all' }]);
  });
  await check('who leaves is offline', async () => {
    const gone = next(bob, 'close');
    bob.disconnect();
    await gone;
    const told = async () => (await ask(ann, 'pushUids', { uids: ['bob'] })).fails;
    while ((await told()).length === 0);
    equal(await told(), ['bob']);
  });

  await check('errors', async () => {
    equal(await ask(ann, 'fail', {}), { code: 500 });
    equal(await ask(ann, 'failWith', {}), { code: 42, text: 'mine' });
    equal(await ask(ann, 'nobodyHandlesThis', {}), { code: 500 });
    equal(await ask(ann, 'enter', { uid: ['no name'] }), { code: 400 });
  });
  await check('a handler that panics', async () => {
    equal(await ask(ann, 'throwing', {}), { code: 500 });
    equal(await ask(ann, 'echo', { u: 1 }), { u: 1 });
  });

  await check('heartbeats', async () => {
    const idle = await login('idle');
    idle.on('close', () => ok(false, 'who sends heartbeats is not closed'));
    await Promise.all([beats(idle, 4), beats(ann, 4)]);
    equal(await ask(idle, 'echo', { u: 2 }), { u: 2 });
  });

  await check('kick', async () => {
    const [carl, dora] = [await login('carl'), await login('dora')];
    const seen = (client) => Promise.all([kicked(client), next(client, 'onKick'), next(client, 'close')]);
    const first = seen(carl);
    equal(await ask(carl, 'kickMe', { reason: TEXT }), { code: 200 });
    equal((await first)[0], TEXT);
    const second = seen(dora);
    await ask(ann, 'kickUid', { uid: 'dora', reason: 'go' });
    equal((await second)[0], 'go');
  });
  await check('a client that connects again by itself', async () => {
    let opened = 0;
    let again;
    const back = new Promise((resolve) => (again = resolve));
    const eve = new Pomelo();
    const { host, port, tls } = server;
    const params = { host, port, scheme: tls ? 'wss' : 'ws', reconnect: true, reconnectionDelay: 10 };
    await new Promise((resolve) => eve.init(params, () => (++opened === 1 ? resolve() : again())));
    await ask(eve, 'enter', { uid: 'eve', room: 'lobby' });
    await ask(eve, 'kickMe', { reason: 'come back' });
    await back;
    equal(await ask(eve, 'enter', { uid: 'eve', room: 'lobby' }), { code: 200, uid: 'eve' });
    equal(await ask(eve, 'echo', { u: 3 }), { u: 3 });
  });
});
