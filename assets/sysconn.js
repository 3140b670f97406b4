'use strict';
// The page of sysconn.html: one connection at a time, and the role that outlives it.

/** Often enough to see the latency move. Servers show out whoever is silent for a minute. */
const HEARTBEAT_MS = 5_000;
/** A server that does not answer a heartbeat for so long is not there any more. */
const PATIENCE_MS = 10_000;
/** Waits between attempts to come back; the last one is repeated. */
const WAITS_MS = [200, 500, 1_000, 2_000, 5_000];
const SAMPLES = 50;
const LOG_LINES = 200;

const at = (id) => document.getElementById(id);

/** The connection. `pending` are its questions by their flags. */
let line = null;
/** What the role is known by. Kept while the connection is lost, and nowhere but here. */
let role = null;
let attempt = 0;
let retry = 0;
const players = new Map();

// The connection.

/** Connects, and asks to be let in by `enter`. */
function connect(enter) {
  const socket = new WebSocket(at('address').value);
  socket.binaryType = 'arraybuffer';
  const mine = { socket, flag: 0, pending: new Map(), beats: 0, opened: false };
  line = mine;
  socket.onopen = () => {
    mine.opened = true;
    enter();
  };
  socket.onmessage = ({ data }) => {
    if (mine === line) receive(data);
  };
  socket.onclose = ({ code }) => {
    if (mine === line) lost(code);
  };
}

/** Asks, and gives the answer; or null, when the connection is lost before it comes. */
function ask(command, fields = {}) {
  if (line?.socket.readyState !== WebSocket.OPEN) return Promise.resolve(null);
  const flag = (line.flag += 1);
  const message = writeRequest(flag, command, fields);
  const answer = new Promise((answered) => line.pending.set(flag, { answered, sent: performance.now() }));
  line.socket.send(message);
  log('→', { command, flag, error: 0, size: message.length - 9 });
  return answer;
}

function receive(data) {
  const now = performance.now();
  let message;
  try {
    message = readResponse(data);
  } catch (error) {
    return hangUp('ended', `The server has said what nobody can read: ${error.message}.`);
  }
  log('←', message);
  const question = message.flag && line.pending.get(message.flag);
  if (question) {
    line.pending.delete(message.flag);
    question.answered({ ...message, ms: now - question.sent });
  } else {
    pushed(message);
  }
}

/** The end of a connection that nobody has asked for. Whoever has a role comes back to it. */
function lost(code) {
  const { opened } = line;
  drop();
  if (!role) {
    show('offline', opened ? `The server has ended the connection (${code}).` : 'Nobody lets us in at this address.');
    return;
  }
  const wait = WAITS_MS[Math.min(attempt, WAITS_MS.length - 1)];
  attempt += 1;
  show('lost', `The connection is lost. Coming back to role ${role.info.role} …`);
  retry = setTimeout(comeBack, wait);
}

function comeBack() {
  clearTimeout(retry);
  if (role && !line) connect(reconnect);
}

/** Closes the connection, and listens to it no more. */
function drop() {
  const { socket, pending, beats } = line;
  line = null;
  clearInterval(beats);
  socket.close();
  for (const { answered } of pending.values()) answered(null);
  for (const button of document.querySelectorAll('#echo button, #room button')) button.disabled = true;
}

/** Ends it from here. The role stays with the server for a minute. */
function hangUp(state, text) {
  clearTimeout(retry);
  role = null;
  if (line) drop();
  show(state, text);
  at('room').hidden = true;
  at('no-room').hidden = false;
}

// Logging in.

async function logIn() {
  const [account, password] = [at('account').value, at('password').value];
  const answer = await (password ? ask(1004, { phone: account, password }) : ask(1002, { account }));
  if (answer) entered(answer, answer.fields.info?.created ? 'A new role' : 'Logged in');
}

async function reconnect() {
  const { info, secret } = role;
  const answer = await ask(1003, { role: info.role, secret });
  if (answer?.error === 10 && !at('password').value) {
    await logIn();
  } else if (answer) {
    entered(answer, 'Back again');
  }
}

function entered({ error, fields }, how) {
  if (error) return hangUp('ended', `Not let in: ${what(error)}.`);
  role = fields;
  attempt = 0;
  for (const name of ['role', 'name', 'coins', 'gold', 'vip']) at(name).textContent = role.info[name];
  at('secret').textContent = '•••••• (this page has it)';
  for (const button of document.querySelectorAll('#echo button, #room button')) button.disabled = false;
  show('playing', `${how}: role ${role.info.role}.`);
  beat();
  line.beats = setInterval(beat, HEARTBEAT_MS);
  enterRoom();
}

function show(state, text) {
  document.body.dataset.state = state;
  at('status').textContent = text;
  const out = state === 'offline' || state === 'ended';
  at('log-in').disabled = !out;
  at('log-out').disabled = out;
  for (const input of document.querySelectorAll('#login input')) input.disabled = !out;
}

const what = (error) => `${ERRORS[error] ?? 'refused'} (error ${error})`;

// What the server says unasked.

function pushed({ command, error, fields }) {
  if (command === 1099) hangUp('ended', `Shown out: ${what(fields.error)}.`);
  if (command === 1149) {
    const until = new Date(fields.end * 1000).toLocaleString();
    hangUp('ended', `Shown out: this role is banned until ${until}.`);
  }
  if (command === 1148) show(document.body.dataset.state, `The server says: ${fields.text}`);
  if (command === 1106) at('coins').textContent = fields.coins;
  if (command === 1311) meet(fields);
  if (command === 1312) part(fields);
  if (command === 1313) chat(fields.name, fields.text);
  if (command === 1314) place(fields);
  if (error) at('outcome').textContent = what(error);
}

// Heartbeats.

const samples = [];

async function beat() {
  const mine = line;
  const patience = setTimeout(() => {
    // Without waiting for the other end to agree: there may be none.
    if (mine === line) lost(1006);
  }, PATIENCE_MS);
  const answer = await ask(1098);
  clearTimeout(patience);
  if (!answer) return;
  samples.push(answer.ms);
  if (samples.length > SAMPLES) samples.shift();
  const median = [...samples].sort((a, b) => a - b)[samples.length >> 1];
  at('latency').textContent = `${answer.ms.toFixed(1)} ms, median ${median.toFixed(1)} ms of ${samples.length}`;
}

// The room.

async function enterRoom() {
  const answer = await ask(1301);
  if (!answer || answer.error) return;
  players.clear();
  for (const player of answer.fields.players) players.set(player.role, player);
  tellPlayers();
  place(answer.fields.deer);
  at('room').hidden = false;
  at('no-room').hidden = true;
}

function meet(player) {
  if (!players.has(player.role)) chat(player.name, 'came');
  players.set(player.role, player);
  tellPlayers();
}

function part(player) {
  if (players.delete(player.role)) chat(player.name, 'went');
  tellPlayers();
}

function tellPlayers() {
  const names = [...players.values()].map(({ name, place }) => `${name} (${place?.x ?? 0}, ${place?.y ?? 0})`);
  at('players').textContent = names.join(', ');
}

function place(deer) {
  at('deer').textContent = `(${deer?.x ?? 0}, ${deer?.y ?? 0})`;
}

function chat(name, text) {
  append(at('chat'), [[`${name}:`, 'faint'], [` ${text}`]]);
}

// The logs.

function log(way, { command, flag, error, size }) {
  if (command === 1098 && !at('heartbeats').checked) return;
  const name = COMMANDS[command]?.name ?? '';
  append(at('log'), [
    [way, '', way === '→' ? 'sent' : 'received'],
    [`${command} ${name}`],
    [flag ? `flag ${flag}` : 'push', 'faint'],
    [`${size} bytes`, 'faint'],
    [error ? `error ${error}: ${ERRORS[error] ?? 'refused'}` : '', 'bad'],
  ]);
}

/** A line at the end of a list, which follows it unless somebody reads further up. */
function append(list, parts) {
  const follows = list.scrollHeight - list.scrollTop - list.clientHeight < 20;
  const item = document.createElement('li');
  for (const [text, style = '', label] of parts) {
    const part = document.createElement('span');
    part.textContent = text;
    part.className = style;
    if (label) {
      part.setAttribute('role', 'img');
      part.setAttribute('aria-label', label);
    }
    item.append(part);
  }
  list.append(item);
  while (list.children.length > LOG_LINES) list.firstChild.remove();
  if (follows) list.scrollTop = list.scrollHeight;
}

// The forms.

/** Does this when a form is sent, by its button or by the key. */
function onSubmit(id, work) {
  at(id).addEventListener('submit', (event) => {
    event.preventDefault();
    work();
  });
}

onSubmit('login', () => {
  samples.length = 0;
  attempt = 0;
  show('connecting', 'Connecting …');
  try {
    connect(logIn);
  } catch {
    show('offline', 'That is no address: write it as ws://127.0.0.1:8005.');
  }
});
at('log-out').addEventListener('click', () => hangUp('offline', 'Logged out.'));

onSubmit('echo', async () => {
  const answer = await ask(1190, { bytes: at('echo-text').value });
  if (!answer) return;
  at('echoed').textContent = answer.error ? what(answer.error) : `${answer.ms.toFixed(1)} ms: ${answer.fields.bytes}`;
});
onSubmit('say', async () => {
  const text = at('say-text').value;
  if (text) at('outcome').textContent = outcome(await ask(1303, { text }));
  at('say-text').value = '';
});
onSubmit('walk', async () => {
  at('outcome').textContent = outcome(await ask(1304, { x: at('x').valueAsNumber || 0, y: at('y').valueAsNumber || 0 }));
});
at('shoot').addEventListener('click', async () => {
  at('outcome').textContent = outcome(await ask(1305), 'Hit!');
});

function outcome(answer, well = '') {
  if (!answer) return '';
  return answer.error ? what(answer.error) : well;
}

// A machine that is on the net again need not wait.
addEventListener('online', comeBack);

const given = new URLSearchParams(location.search);
for (const name of ['address', 'account']) if (given.get(name)) at(name).value = given.get(name);
