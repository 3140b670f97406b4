// Pomelo's own codecs, pomelo-protocol and pomelo-protobuf, over TCP and TLS: all that a client does with dictionary and
// schemas. What joins them here is as little as can be. Text is written and read as the official JavaScript client does,
// by UTF-16 unit; pomelo-node-tcp-client ships that part of it.

import net from 'node:net';
import tls from 'node:tls';
import protocol from 'pomelo-protocol';
import protobuf from 'pomelo-protobuf';
import official from 'pomelo-node-tcp-client/src/libs/protocol.js';
import { check, equal, ok, route, run, server, TEXT, TYPED, UNTYPED } from './check.mjs';

const { Package, Message } = protocol;

class Client {
  /** Connects, and shakes hands. `known` are the versions of what the client has kept from before. */
  static async connect(known = {}) {
    const client = new Client();
    const { host, port } = server;
    client.socket = server.tls ? tls.connect({ host, port, servername: host }) : net.connect({ host, port });
    client.socket.setNoDelay();
    client.socket.on('data', (data) => client.read(data));
    client.closed = new Promise((resolve) => client.socket.on('close', resolve));
    client.socket.on('error', (error) => {
      throw error;
    });
    const answered = client.package(Package.TYPE_HANDSHAKE);
    const sys = { type: 'codecs', version: '1', ...known };
    client.send(Package.TYPE_HANDSHAKE, protocol.strencode(JSON.stringify({ sys, user: { name: TEXT } })));
    const response = JSON.parse(official.strdecode(await answered));
    equal(response.code, 200);
    client.sys = response.sys;
    client.dictionary = response.sys.dict ?? {};
    client.routes = Object.fromEntries(Object.entries(client.dictionary).map(([name, code]) => [code, name]));
    client.protos = response.sys.protos ?? { client: {}, server: {} };
    const started = client.package(Package.TYPE_HEARTBEAT);
    client.send(Package.TYPE_HANDSHAKE_ACK);
    await started;
    return client;
  }

  unread = Buffer.alloc(0);
  waiting = [];
  asked = new Map();
  id = 0;
  /** Writes a package; a check may cut it. */
  write = (bytes) => this.socket.write(bytes);

  read(data) {
    this.unread = Buffer.concat([this.unread, data]);
    while (this.unread.length >= 4) {
      const end = 4 + this.unread.readUIntBE(1, 3);
      if (this.unread.length < end) return;
      const { type, body } = Package.decode(this.unread.subarray(0, end));
      this.unread = this.unread.subarray(end);
      if (type === Package.TYPE_DATA) this.data(Message.decode(body));
      else this.tell(type, body);
    }
  }

  data({ id, type, compressRoute, route: named, body }) {
    if (type === Message.TYPE_RESPONSE) {
      const { name, answer } = this.asked.get(id);
      this.asked.delete(id);
      answer(this.decode(name, body));
    } else {
      equal([type, Boolean(compressRoute)], [Message.TYPE_PUSH, typeof named === 'number']);
      const name = compressRoute ? this.routes[named] : named;
      ok(name in this.dictionary === Boolean(compressRoute), `${name} goes by its number if it has one`);
      this.tell(name, this.decode(name, body));
    }
  }

  decode(name, body) {
    protobuf.setDecoderProtos(this.protos.server);
    if (name in this.protos.server) return protobuf.decode(name, body);
    return JSON.parse(official.strdecode(body));
  }

  /** The next package of a type, or the next push of a route. */
  package(what) {
    return new Promise((resolve) => this.waiting.push({ what, resolve }));
  }

  tell(what, body) {
    const at = this.waiting.findIndex((waiting) => waiting.what === what);
    if (at >= 0) this.waiting.splice(at, 1)[0].resolve(body);
  }

  send(type, body) {
    this.write(Package.encode(type, body));
  }

  message(id, type, name, body, strencode = official.strencode) {
    protobuf.setEncoderProtos(this.protos.client);
    const typed = name in this.protos.client;
    const bytes = typed ? protobuf.encode(name, body) : strencode(JSON.stringify(body));
    const code = this.dictionary[name];
    return Message.encode(id, type, code === undefined ? 0 : 1, code ?? name, bytes);
  }

  request(name, body, strencode) {
    const id = (this.id += 1);
    return new Promise((answer) => {
      this.asked.set(id, { name, answer });
      this.send(Package.TYPE_DATA, this.message(id, Message.TYPE_REQUEST, name, body, strencode));
    });
  }

  ask(name, body, strencode) {
    return this.request(route(name), body, strencode);
  }

  notify(name, body) {
    this.send(Package.TYPE_DATA, this.message(0, Message.TYPE_NOTIFY, route(name), body));
  }
}

/** The next pushes of a route. */
function collect(client, name, count) {
  return Promise.all(Array.from({ length: count }, () => client.package(name)));
}

run(async () => {
  let ann;
  await check('handshake', async () => {
    ann = await Client.connect();
    equal(ann.sys.heartbeat, 1);
    equal([ann.sys.useDict, ann.sys.useProto], server.compact ? [true, true] : [undefined, undefined]);
    equal(ann.sys.routeToCode, ann.sys.dict);
    equal(typeof ann.dictionary[route('echo')], server.compact ? 'number' : 'undefined');
  });
  if (server.compact) {
    await check('what is known is not sent again', async () => {
      const { dictVersion, protos } = ann.sys;
      const again = await Client.connect({ dictVersion, protoVersion: protos.version });
      equal([again.sys.dict, again.sys.protos], [undefined, undefined]);
      again.dictionary = ann.dictionary;
      again.protos = ann.protos;
      equal(await again.ask('echo', { u: 1 }), { u: 1 });
      again.socket.end();
      const other = await Client.connect({ dictVersion: 'another', protoVersion: 'another' });
      equal([other.sys.dict, other.sys.protos], [ann.sys.dict, ann.sys.protos]);
      other.socket.end();
    });
  }
  await check('login', async () => {
    equal(await ann.ask('enter', { uid: 'ann', room: 'lobby' }), { code: 200, uid: 'ann' });
  });

  await check('echo', async () => {
    const body = server.compact ? TYPED : UNTYPED;
    equal(await ann.ask('echo', body), body);
  });
  await check('text in JSON, by UTF-16 unit and by character', async () => {
    for (const strencode of [official.strencode, protocol.strencode]) {
      equal(await ann.ask('slow', { ms: 0, n: UNTYPED }, strencode), { code: 200, n: UNTYPED });
    }
  });
  await check('an answer without a body', async () => {
    equal(await ann.ask('empty', {}), {});
  });
  await check('packages cut anywhere', async () => {
    ann.write = (bytes) => bytes.forEach((_, at) => ann.socket.write(bytes.subarray(at, at + 1)));
    equal(await ann.ask('echo', { u: 5 }), { u: 5 });
    ann.write = (bytes) => ann.socket.write(bytes);
  });
  await check('many requests in one write, with ids of one, two and three bytes', async () => {
    ann.id = 16_000;
    ann.socket.cork();
    const answers = Array.from({ length: 1000 }, (_, u) => ann.ask('echo', { u }));
    ann.id = 100;
    answers.push(...Array.from({ length: 100 }, (_, n) => ann.ask('echo', { u: 1000 + n })));
    ann.socket.uncork();
    equal((await Promise.all(answers)).map(({ u }) => u), Array.from({ length: 1100 }, (_, u) => u));
  });
  await check('a body of 40 kB', async () => {
    const n = TEXT.repeat(700);
    equal(await ann.ask('slow', { ms: 0, n }), { code: 200, n });
  });

  await check('a notify, and the push it causes', async () => {
    const noted = ann.package('onNote');
    ann.notify('note', { n: 41 });
    equal(await noted, { got: 41 });
  });
  await check('pushes in order', async () => {
    const pushes = collect(ann, 'onMsg', 50);
    equal(await ann.ask('pushMany', { n: 50 }), { code: 200 });
    equal((await pushes).map(({ n }) => n), Array.from({ length: 50 }, (_, n) => n));
  });
  await check('text in a push', async () => {
    const pushed = ann.package('onOther');
    await ann.ask('pushMe', { route: 'onOther', body: UNTYPED });
    equal(await pushed, UNTYPED);
  });
  await check('a room of two', async () => {
    const bob = await Client.connect();
    equal(await bob.ask('enter', { uid: 'bob', room: 'lobby' }), { code: 200, uid: 'bob' });
    const heard = [ann, bob].map((client) => client.package('onChat'));
    equal(await ann.ask('say', { text: TEXT }), { code: 200 });
    for (const { from, msg } of await Promise.all(heard)) equal([from, msg], ['ann', TEXT]);
    const all = [ann, bob].map((client) => client.package('onAll'));
    await bob.ask('bcast', { text: TEXT });
    equal(await Promise.all(all), [{ text: TEXT }, { text: TEXT }]);
    bob.socket.end();
    await bob.closed;
  });

  await check('errors', async () => {
    equal(await ann.ask('fail', {}), { code: 500 });
    equal(await ann.ask('failWith', {}), { code: 42, text: 'mine' });
    equal(await ann.ask('nobodyHandlesThis', {}), { code: 500 });
    equal(await ann.request('only.two', {}), { code: 500 });
    equal(await ann.request('', {}), { code: 500 });
  });
  await check('a handler that panics', async () => {
    equal(await ann.ask('throwing', {}), { code: 500 });
    equal(await ann.ask('echo', { u: 1 }), { u: 1 });
  });

  await check('heartbeats', async () => {
    const interval = ann.sys.heartbeat * 1000;
    for (let n = 0; n < 4; n += 1) {
      await new Promise((resolve) => setTimeout(resolve, interval));
      const answered = ann.package(Package.TYPE_HEARTBEAT);
      ann.send(Package.TYPE_HEARTBEAT);
      await answered;
    }
    equal(await ann.ask('echo', { u: 2 }), { u: 2 });
  });
  await check('kick, and a new connection after it', async () => {
    const kicked = ann.package(Package.TYPE_KICK);
    equal(await ann.ask('kickMe', { reason: TEXT }), { code: 200 });
    equal(JSON.parse(official.strdecode(await kicked)), { reason: TEXT });
    await ann.closed;
    const again = await Client.connect();
    equal(await again.ask('enter', { uid: 'ann', room: 'lobby' }), { code: 200, uid: 'ann' });
    equal(await again.ask('echo', { u: 3 }), { u: 3 });
  });
  await check('a client without heartbeats is closed', async () => {
    const silent = await Client.connect();
    await silent.closed;
  });
});
