// Drives assets/sysconn.html in a headless Chromium against a server, as people would.
//
//   node sysconn.mjs '{"chromium":"/usr/bin/chromium","address":"127.0.0.1:8005","server":"demo"}'
//
// The server is a new one: the headless server's "demo", the same with "accounts", of which ann's has the password "correct
// horse", or the "example" sysconn_game. With `pictures`, a folder, pictures of the page are left there. The first check that
// fails ends the script, with its name and exit code 1.

import { equal, match, notEqual, ok } from 'node:assert/strict';
import { createServer, connect } from 'node:net';
import { once } from 'node:events';
import puppeteer from 'puppeteer-core';

const options = { chromium: '/usr/bin/chromium', address: '127.0.0.1:8005', server: 'demo', ...argument() };
const PAGE = new URL('../../assets/sysconn.html', import.meta.url);
/** For one thing to happen, and for all of it. It takes a few seconds. */
const PATIENCE_MS = 20_000;
const ALL_MS = 120_000;

let now = 'the start';

async function check(what, work) {
  now = what;
  await work();
  console.log(`ok: ${what}`);
}

/** A line to the server that can be cut. */
class Line {
  #sockets = new Set();
  #server = createServer((near) => {
    const [host, port] = options.address.split(':');
    const far = connect(port, host);
    for (const [one, other] of [[near, far], [far, near]]) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });

  async open() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `127.0.0.1:${this.#server.address().port}`;
  }

  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** One page, as its user sees it. */
class User {
  static async open(browser, account, address = options.address) {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const user = new User(page);
    page.on('pageerror', fail);
    const url = new URL(PAGE);
    url.searchParams.set('address', `ws://${address}`);
    await page.goto(url.href);
    await page.evaluate(() => {
      globalThis.states = [];
      new MutationObserver(() => states.push(document.body.dataset.state)).observe(document.body, { attributes: true });
    });
    await page.type('#account', account);
    return user;
  }

  constructor(page) {
    this.page = page;
  }

  async logIn() {
    await this.page.focus('#account');
    await this.page.keyboard.press('Enter');
    await this.isIn('playing');
  }

  /** Waits for a state of the page. */
  isIn(state) {
    return this.#until((state) => document.body.dataset.state === state, state);
  }

  /** Waits until the page has lost its connection, and come back. */
  async comesBackAfter(loss) {
    await this.page.evaluate("states.length = 0; document.getElementById('log').replaceChildren()");
    loss();
    await this.#until(() => states.includes('lost') && document.body.dataset.state === 'playing', 'lost, and playing');
  }

  /** Waits until an element says this. */
  sees(selector, pattern) {
    return this.#until(
      (selector, source) => new RegExp(source).test(document.querySelector(selector).innerText), selector, pattern.source,
    );
  }

  async #until(test, ...values) {
    try {
      await this.page.waitForFunction(test, { polling: 'mutation' }, ...values);
    } catch (error) {
      throw new Error(`${values} never came: ${await this.text('body')}`, { cause: error });
    }
  }

  text(selector) {
    return this.page.$eval(selector, (element) => element.innerText);
  }

  async fill(selector, text) {
    await this.page.$eval(selector, (input) => (input.value = ''));
    await this.page.type(selector, text);
  }

  /** Pages in the background cannot be clicked on. */
  async click(selector) {
    await this.page.bringToFront();
    await this.page.click(selector);
  }

  async echo(text) {
    await this.fill('#echo-text', text);
    await this.click('#echo button');
    await this.sees('#echoed', new RegExp(`ms: ${text}$`));
  }

  async say(text) {
    await this.fill('#say-text', text);
    await this.page.keyboard.press('Enter');
  }

  async walk(x, y) {
    await this.fill('#x', String(x));
    await this.fill('#y', String(y));
    await this.click('#walk button');
  }
}

async function everywhere(browser) {
  const ann = await User.open(browser, 'ann');
  await check('each field has a label, and nothing is cut off at any width', async () => {
    ok(await ann.page.$$eval('input', (inputs) => inputs.every((input) => input.labels.length === 1)));
    for (const width of [320, 800, 1600]) {
      await ann.page.setViewport({ width, height: 900 });
      ok(await ann.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${width} pixels`);
    }
  });
  await check('an address that is none, and one where nobody is, are told apart', async () => {
    const stranger = await User.open(browser, 'ann', '127.0.0.1:1');
    await stranger.click('#log-in');
    await stranger.sees('#status', /Nobody/);
    await stranger.fill('#address', 'nowhere:x');
    await stranger.click('#log-in');
    await stranger.sees('#status', /no address/);
    await stranger.page.close();
  });
  await check('who logs in is told of the role, and not of its secret', async () => {
    await ann.logIn();
    await ann.sees('#status', /A new role/);
    match(await ann.text('#role'), /^10000\d\d$/);
    equal(await ann.text('#coins'), '100');
    const secret = await ann.page.evaluate('role.secret');
    ok(secret > 0 && !(await ann.page.content()).includes(secret));
  });
  await check('an echo comes back, whatever letters it has', () => ann.echo('größer, 你好, 😀'));
  await check('the latency appears', () => ann.sees('#latency', /^\d+\.\d ms, median \d+\.\d ms of \d+$/));
  await check('the log tells of each message but heartbeats', async () => {
    await ann.sees('#log', /1002 login\s+flag 1\s+5 bytes/);
    await ann.sees('#log', /1190 echo/);
    ok(!(await ann.text('#log')).includes('1098'));
  });
  await check('who logs in elsewhere shows the first page out, which does not come back by itself', async () => {
    const role = await ann.text('#role');
    const other = await User.open(browser, 'ann');
    await other.logIn();
    equal(await other.text('#role'), role);
    await ann.isIn('ended');
    await ann.sees('#status', /Shown out: logged in elsewhere \(error 11\)/);
    ok(!(await ann.page.evaluate('states')).includes('lost'));
    await other.echo('mine now');
    await other.click('#log-out');
    await other.isIn('offline');
    await other.page.close();
  });
  await ann.page.close();
}

async function losses(browser) {
  const line = new Line();
  const bob = await User.open(browser, 'bob', await line.open());
  await bob.logIn();
  const role = await bob.text('#role');
  for (const time of ['a lost connection is come back from by itself, to the same role', 'and again']) {
    await check(time, async () => {
      await bob.comesBackAfter(() => line.cut());
      equal(await bob.text('#status'), `Back again: role ${role}.`);
      equal(await bob.text('#role'), role);
      await bob.echo(`here again, ${time}`);
    });
  }
  return { line, bob };
}

async function theRoom(browser) {
  const { line, bob } = await losses(browser);
  const cid = await User.open(browser, 'cid');
  await cid.logIn();
  await check('two pages see each other come, and hear each other', async () => {
    await cid.sees('#players', /bob \(0, 0\), cid \(0, 0\)/);
    await bob.sees('#chat', /cid: came/);
    await bob.say('hello, cid');
    await cid.sees('#chat', /bob: hello, cid/);
    await cid.say('<b>hello</b>');
    await bob.sees('#chat', /cid: <b>hello<\/b>/);
  });
  await check('who comes back is in the room as before', async () => {
    await bob.comesBackAfter(() => line.cut());
    await bob.sees('#log', /1003 reconnect[^]*1301 enter[^]*1301 enter/);
    await cid.say('still there?');
    await bob.sees('#chat', /cid: still there\?/);
  });
  await check('a shot that fails costs nothing, and is told of by its error alone', async () => {
    await bob.walk(19, 19);
    await cid.sees('#players', /bob \(19, 19\)/);
    await bob.click('#shoot');
    await bob.sees('#outcome', /too far away \(error 103\)/);
    equal(await bob.text('#coins'), '100');
    ok(!(await bob.text('#log')).includes('1106'));
  });
  await check('a hit is paid, and paid for, and seen by all', async () => {
    const deer = await cid.text('#deer');
    await bob.walk(2, 1);
    await cid.sees('#players', /bob \(2, 1\)/);
    await bob.click('#shoot');
    await bob.sees('#outcome', /Hit!/);
    equal(await bob.text('#coins'), '105');
    match(await bob.text('#log'), /1106 coins[^]*1106 coins[^]*1314 deer/);
    await cid.sees('#deer', /\(9, 5\)/);
    notEqual(await cid.text('#deer'), deer);
  });
  await pictures(bob);
}

async function theDemo(browser) {
  const { bob } = await losses(browser);
  await bob.page.evaluate("COMMANDS[1191] = { name: 'act', ask: { text: [1, 'text'] } }");
  const act = (text) => bob.page.evaluate(`void ask(1191, { text: '${text}' })`);
  await check('there is no room, and the page says so', async () => {
    ok(await bob.page.$('#no-room:not([hidden])') && await bob.page.$('#room[hidden]'));
  });
  await check('a notice is shown', async () => {
    await act('push:7');
    await bob.sees('#status', /The server says: push7/);
  });
  await check('an error is named in the log', async () => {
    await act('err:28');
    await bob.sees('#log', /1191 act[^]*error 28: wrong operation/);
  });
  await pictures(bob);
  await check('who is banned is told until when, and cannot log in again', async () => {
    await act('black');
    await bob.isIn('ended');
    await bob.sees('#status', /banned until .*\d/);
    await bob.page.evaluate("document.getElementById('status').textContent = ''");
    await bob.click('#log-in');
    await bob.sees('#status', /banned until .*\d/);
    await bob.isIn('ended');
  });
}

async function theAccounts(browser) {
  const line = new Line();
  const ann = await User.open(browser, 'ann', await line.open());
  await check('a name alone is no proof, nor is a wrong password', async () => {
    await ann.click('#log-in');
    await ann.sees('#status', /Not let in: .*\(error 5\)/);
    await ann.fill('#password', 'battery staple');
    await ann.click('#log-in');
    await ann.sees('#status', /Not let in: wrong password \(error 31\)/);
  });
  await check('who has the password plays, and needs it no more to come back', async () => {
    await ann.fill('#password', 'correct horse');
    await ann.logIn();
    const role = await ann.text('#role');
    await ann.page.$eval('#password', (input) => (input.value = ''));
    await ann.comesBackAfter(() => line.cut());
    equal(await ann.text('#status'), `Back again: role ${role}.`);
    await ann.echo('here again');
  });
}

async function pictures({ page }) {
  if (!options.pictures) return;
  for (const [scheme, width] of [['light', 1280], ['dark', 1280], ['light', 360], ['dark', 360]]) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await page.setViewport({ width, height: 900 });
    const path = `${options.pictures}/sysconn-${options.server}-${scheme}-${width}.png`;
    await page.screenshot({ path, fullPage: true });
  }
}

function argument() {
  const [text] = process.argv.slice(2);
  return text ? JSON.parse(text) : {};
}

let browser;

function fail(error) {
  console.error(`failed: ${now}\n${error?.stack ?? error}`);
  browser?.process()?.kill('SIGKILL');
  process.exit(1);
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
setTimeout(() => fail(new Error(`not done within ${ALL_MS} ms`)), ALL_MS);
browser = await puppeteer.launch({
  executablePath: options.chromium,
  // Chromium has no sandbox for root, who is the only user of a container.
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});
const parts = { demo: [everywhere, theDemo], accounts: [theAccounts], example: [everywhere, theRoom] };
for (const part of parts[options.server]) await part(browser);
await browser.close();
process.exit(0);
