// ws, the client library of Node's, against an echo server without any protocol above WebSocket.
//
// `kind` says what the server takes and sends, `text` or `binary`; `longest` how long a message may be.

import { once } from 'node:events';
import { connect as dial } from 'node:net';
import WebSocket from 'ws';
import { check, equal, run, server } from './check.mjs';

const { host, port, kind, longest } = server;
const isText = kind === 'text';

/** A message of so many bytes, of the kind that the server takes. */
const message = (length) => (isText ? 'x'.repeat(length) : Buffer.alloc(length, length));

/** A client, before it is open. What comes to it waits in `got`. */
function client(options) {
  const ws = new WebSocket(`ws://${host}:${port}/any/path`, options);
  ws.got = [];
  ws.on('message', (data, isBinary) => {
    ws.got.push(isBinary ? data : data.toString());
    ws.emit('got');
  });
  ws.ended = new Promise((resolve) => ws.on('close', (code) => resolve(code)));
  return ws;
}

async function connect(options) {
  const ws = client(options);
  await once(ws, 'open');
  return ws;
}

/** So many messages, in order. */
async function take(ws, count) {
  while (ws.got.length < count) await Promise.race([once(ws, 'got'), ws.ended.then(closed)]);
  return ws.got.splice(0, count);
}

function closed(code) {
  throw new Error(`closed with ${code}`);
}

/** The code that a client is closed with after this. */
async function closedAfter(send) {
  const ws = await connect();
  // The library tells of what it finds wrong with itself; what counts here is what the server says.
  ws.on('error', () => {});
  send(ws);
  return ws.ended;
}

run(async () => {
  const ann = await connect();

  await check('compression is declined', async () => {
    equal(ann.extensions, '');
  });
  await check('messages of all lengths', async () => {
    for (const length of [1, 125, 126, 127, 65_535, 65_536, longest]) {
      ann.send(message(length));
      equal(await take(ann, 1), [message(length)]);
    }
  });
  await check('fragments, and pings between them', async () => {
    const parts = [message(1), message(0), message(200), message(70_000)];
    const pongs = [];
    ann.on('pong', (data) => pongs.push(data.toString()));
    for (const [n, part] of parts.entries()) {
      ann.send(part, { fin: n === parts.length - 1 });
      ann.ping(`between ${n}`);
    }
    equal(await take(ann, 1), [isText ? parts.join('') : Buffer.concat(parts)]);
    while (pongs.length < parts.length) await once(ann, 'pong');
    equal(pongs, parts.map((_, n) => `between ${n}`));
    ann.removeAllListeners('pong');
  });
  await check('characters cut by fragments', async () => {
    const text = Buffer.from('größer, 你好, 😀');
    for (const [n, byte] of text.entries()) {
      ann.send(Buffer.of(byte), { fin: n === text.length - 1, binary: !isText });
    }
    equal(await take(ann, 1), [isText ? text.toString() : text]);
  });
  await check('pings with and without a payload', async () => {
    for (const length of [0, 1, 125]) {
      ann.ping(Buffer.alloc(length, 7));
      equal(await once(ann, 'pong'), [Buffer.alloc(length, 7)]);
    }
  });
  await check('a pong that nobody asked for', async () => {
    ann.pong('unasked');
    ann.send(message(3));
    equal(await take(ann, 1), [message(3)]);
  });
  await check('many small messages at once', async () => {
    const many = Array.from({ length: 5000 }, (_, n) => (isText ? `message ${n}` : Buffer.from(`message ${n}`)));
    for (const one of many) ann.send(one);
    equal(await take(ann, many.length), many);
  });
  await check('a message right behind the upgrade', async () => {
    const ws = client({
      createConnection: () => {
        const socket = dial(port, host);
        const { write } = socket;
        // The first that is written is the request; a frame of five bytes, masked with zeros, goes with it.
        socket.write = (head, ...rest) => {
          socket.write = write;
          const early = [isText ? 0x81 : 0x82, 0x85, 0, 0, 0, 0, ...Buffer.from('early')];
          return socket.write(Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(early)]), ...rest);
        };
        return socket;
      },
    });
    equal((await take(ws, 1)).map(String), ['early']);
    ws.close();
    await ws.ended;
  });

  await check('closes come back with their code', async () => {
    for (const code of [1000, 1001, 1011, 3000, 4999]) {
      equal(await closedAfter((ws) => ws.close(code, 'größer, 你好')), code);
    }
    equal(await closedAfter((ws) => ws.close()), 1005);
  });
  await check('what came before a close is answered', async () => {
    const ws = await connect();
    ws.send(message(longest));
    ws.close(1000, 'that was all');
    equal(await take(ws, 1), [message(longest)]);
    equal(await ws.ended, 1000);
  });
  await check('mistakes are told by the code', async () => {
    const wrong = isText ? Buffer.of(1) : 'text';
    equal(await closedAfter((ws) => ws.send(wrong)), 1003);
    equal(await closedAfter((ws) => ws.send(message(1), { mask: false })), 1002);
    equal(await closedAfter((ws) => ws.send(message(longest + 1000))), 1009);
    if (isText) equal(await closedAfter((ws) => ws.send(Buffer.of(0xff), { binary: false })), 1007);
  });
  await check('who made none is served on', async () => {
    ann.send(message(9));
    equal(await take(ann, 1), [message(9)]);
    ann.close(1000);
    equal(await ann.ended, 1000);
  });
});
