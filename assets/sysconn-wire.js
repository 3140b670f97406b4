'use strict';
// The wire of `sys_conn`: headers of nine and eleven bytes, and as much of protobuf as their bodies need.
// Nothing here knows of sockets or of the page.

/** What the server says without words. */
const ERRORS = {
  1: 'busy, or no place left', 5: 'makes no sense here', 6: 'logged in already', 7: 'no data of this role',
  10: 'wrong secret, or the role is gone', 11: 'logged in elsewhere', 28: 'wrong operation', 31: 'wrong password',
  32: 'empty password', 45: 'blacklisted', 101: 'you are not on the meadow', 102: 'not enough coins',
  103: 'the deer is too far away',
};

/** The commands by their numbers, with the fields of what is asked and of what is heard: name: [tag, kind]. */
const PLACE = { x: [1, 'uint'], y: [2, 'uint'] };
const PLAYER = { role: [1, 'uint'], name: [2, 'text'], place: [3, PLACE] };
const ROLE = {
  role: [1, 'uint'], name: [2, 'text'], icon: [3, 'text'], vip: [4, 'uint'], gold: [5, 'uint'], coins: [6, 'uint'],
  status: [7, 'uint'], stake: [8, 'uint'], sign: [11, 'text'], phone: [12, 'text'], openid: [14, 'text'],
  created: [15, 'uint'],
};
const ENTRANCE = { info: [1, ROLE], secret: [2, 'uint'] };
const COMMANDS = {
  1002: { name: 'login', ask: { account: [1, 'text'] }, hear: ENTRANCE },
  1003: { name: 'reconnect', ask: { role: [1, 'uint'], secret: [2, 'uint'] }, hear: ENTRANCE },
  1004: { name: 'phone login', ask: { phone: [1, 'text'], password: [2, 'text'] }, hear: ENTRANCE },
  1098: { name: 'heartbeat' },
  1099: { name: 'kick', hear: { error: [1, 'uint'] } },
  1106: { name: 'coins', hear: { coins: [1, 'uint'] } },
  1148: { name: 'notice', hear: { text: [1, 'text'] } },
  1149: { name: 'blacklisted', hear: { start: [1, 'uint'], end: [2, 'uint'] } },
  1190: { name: 'echo', ask: { bytes: [1, 'text'] }, hear: { bytes: [1, 'text'] } },
  1301: { name: 'enter', hear: { players: [1, [PLAYER]], deer: [2, PLACE] } },
  1302: { name: 'leave' },
  1303: { name: 'say', ask: { text: [1, 'text'] } },
  1304: { name: 'walk', ask: PLACE },
  1305: { name: 'shoot' },
  1311: { name: 'is here', hear: PLAYER },
  1312: { name: 'went', hear: PLAYER },
  1313: { name: 'said', hear: { text: [1, 'text'], name: [2, 'text'] } },
  1314: { name: 'deer', hear: PLACE },
};

/** A message to the server. */
function writeRequest(flag, command, fields) {
  const body = encode(COMMANDS[command]?.ask ?? {}, fields);
  const message = new Uint8Array(9 + body.length);
  const view = new DataView(message.buffer);
  view.setUint16(0, body.length % 65536); // and a byte that says it is not compressed
  view.setUint32(3, flag);
  view.setUint16(7, command);
  message.set(body, 9);
  return message;
}

/** A message of the server: an error number, or fields. */
function readResponse(buffer) {
  const view = new DataView(buffer);
  const command = view.getUint16(9);
  const body = new Uint8Array(buffer, 11);
  return {
    error: view.getUint16(0),
    flag: view.getUint32(5),
    command,
    size: body.length,
    fields: decode(COMMANDS[command]?.hear ?? {}, body),
  };
}

// Protobuf. A kind is 'uint', 'text', the fields of a message, or a list with those of a message that is repeated.

function encode(kinds, fields) {
  const out = [];
  for (const [name, value] of Object.entries(fields)) {
    const [tag, kind] = kinds[name];
    if (kind === 'uint') {
      varint(out, tag * 8);
      varint(out, value);
    } else {
      const bytes = kind === 'text' ? new TextEncoder().encode(value) : encode(kind, value);
      varint(out, tag * 8 + 2);
      varint(out, bytes.length);
      for (const byte of bytes) out.push(byte);
    }
  }
  return Uint8Array.from(out);
}

function varint(out, value) {
  while (value > 127) {
    out.push((value % 128) + 128);
    value = Math.floor(value / 128);
  }
  out.push(value);
}

/** Fields that are not there are 0, '' or []; those that are not known are skipped. */
function decode(kinds, bytes) {
  const fields = {};
  const byTag = {};
  for (const [name, [tag, kind]] of Object.entries(kinds)) {
    byTag[tag] = [name, kind];
    fields[name] = kind === 'uint' ? 0 : kind === 'text' ? '' : Array.isArray(kind) ? [] : null;
  }
  let at = 0;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= bytes.length || shift > 63) throw new RangeError('a number that does not end');
      const byte = bytes[at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = number();
    const [name, kind] = byTag[Math.floor(key / 8)] ?? [];
    const type = key % 8;
    if (type === 0) {
      const value = number();
      if (kind === 'uint') fields[name] = value;
    } else if (type === 2) {
      const end = number() + at;
      if (end > bytes.length) throw new RangeError('a field that is cut off');
      const part = bytes.subarray(at, end);
      at = end;
      if (kind === 'text') fields[name] = new TextDecoder().decode(part);
      else if (Array.isArray(kind)) fields[name].push(decode(kind[0], part));
      else if (kind && kind !== 'uint') fields[name] = decode(kind, part);
    } else if (type === 5 || type === 1) {
      at += type === 5 ? 4 : 8;
    } else {
      throw new RangeError(`a field of type ${type}`);
    }
  }
  return fields;
}
