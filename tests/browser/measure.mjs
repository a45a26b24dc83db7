// What the demo's pages weigh and how soon they answer, in a real browser. Prints one JSON object a line: {"what","value",…}.
// Usage: node measure.mjs http://127.0.0.1:8080 RUNS [dead site …] < nothing
import { setTimeout as pause } from 'node:timers/promises';
import { brotliCompressSync } from 'node:zlib';
import { launch, SIZES } from './browser.mjs';

const [given, runs, ...dead] = process.argv.slice(2);
const base = given.replace(/\/$/, '');
/** Sites that answer, whatever they answer; each may be asked once a minute and scheme. */
const ANSWERING = ['fine', 'shop', 'video', 'bank', 'news', 'tickets', 'closed', 'guard', 'games', 'beacon'];
const AGAIN_MS = 61_000;
const say = (what, value, more = {}) => console.log(JSON.stringify({ what, value, ...more }));
const browser = await launch();

/** Counts what a page asks for, from an empty cache. */
const weigh = async (name, path) => {
  const context = await browser.newContext({ viewport: SIZES[0] });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  await session.send('Performance.enable');
  let bytes = 0;
  const asked = [];
  const kinds = new Map();
  session.on('Network.responseReceived', ({ requestId, type }) => kinds.set(requestId, type));
  session.on('Network.requestWillBeSent', ({ request }) => { if (!request.url.startsWith('data:')) asked.push(request.url); });
  let script = 0;
  let document = 0;
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    bytes += encodedDataLength;
    if (kinds.get(requestId) === 'Script') script += encodedDataLength;
    if (kinds.get(requestId) === 'Document') document += encodedDataLength;
  });
  await page.addInitScript(() => {
    globalThis.shift = 0;
    globalThis.lcp = 0;
    new PerformanceObserver(list => { for (const e of list.getEntries()) if (!e.hadRecentInput) globalThis.shift += e.value; })
      .observe({ type: 'layout-shift', buffered: true });
    new PerformanceObserver(list => { for (const e of list.getEntries()) globalThis.lcp = e.startTime; })
      .observe({ type: 'largest-contentful-paint', buffered: true });
  });
  await page.goto(base + path, { waitUntil: 'networkidle' });
  const [shift, lcp] = await page.evaluate(() => [globalThis.shift, globalThis.lcp]);
  say(`${name}: bytes`, bytes);
  say(`${name}: requests`, asked.length);
  say(`${name}: HTML bytes`, document);
  say(`${name}: script bytes`, script);
  say(`${name}: third-party requests`, asked.filter(url => !url.startsWith(`${base}/`)).length);
  say(`${name}: CLS`, shift);
  say(`${name}: LCP ms`, lcp);
  await context.close();
};

const scripts = async () => {
  const html = await (await fetch(base)).text();
  const path = /<script[^>]* src="([^"]+)"/.exec(html)[1];
  const text = Buffer.from(await (await fetch(base + path)).arrayBuffer());
  say('script, brotli 11, bytes', brotliCompressSync(text).length);
};

/** Types a site, presses Enter, and waits for a verdict; milliseconds, and the bytes of the check's events that its script was told. The clock stands beside the browser, so its own way is in it. */
const verdict = async (site, javaScriptEnabled, watch = async () => {}) => {
  const context = await browser.newContext({ viewport: SIZES[0], javaScriptEnabled });
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  const streams = new Set();
  let stream = 0;
  session.on('Network.responseReceived', ({ requestId, type }) => { if (type === 'EventSource') streams.add(requestId); });
  session.on('Network.dataReceived', ({ requestId, dataLength }) => { if (streams.has(requestId)) stream += dataLength; });
  await page.addInitScript(() => {
    globalThis.shift = 0;
    globalThis.spoken = [];
    globalThis.states = [];
    new PerformanceObserver(list => { for (const e of list.getEntries()) if (!e.hadRecentInput) globalThis.shift += e.value; })
      .observe({ type: 'layout-shift', buffered: true });
    addEventListener('DOMContentLoaded', () => {
      const say = document.getElementById('say');
      const live = document.getElementById('live');
      const note = () => {
        const state = document.getElementById('verdict')?.className;
        if (state && state !== globalThis.states.at(-1)?.state) globalThis.states.push({ at: performance.now(), state });
      };
      if (live) {
        note();
        new MutationObserver(note).observe(live.parentNode, { attributes: true, attributeFilter: ['class'], childList: true, subtree: true });
      }
      if (say) new MutationObserver(() => globalThis.spoken.push(say.textContent)).observe(say, { childList: true, characterData: true, subtree: true });
    });
  });
  await page.goto(base);
  await page.fill('#site', site);
  const start = performance.now();
  await page.press('#site', 'Enter', { noWaitAfter: true });
  await page.locator('.verdict:not(.st-waiting)').last().waitFor({ timeout: 30_000 });
  const first = performance.now() - start;
  const more = await watch(page, start);
  await context.close();
  return { first, stream, ...more };
};

/**
 * Until the last word, with what was said aloud and what moved on the way. Firm is the first moment that the verdict is the one at the
 * end: what comes after makes it surer, not another one.
 */
const toTheEnd = async (page, start) => {
  await page.waitForSelector('#live:not([data-src])', { timeout: 30_000 });
  const over = performance.now() - start;
  const now = await page.evaluate(() => performance.now());
  const ago = await page.evaluate(now => {
    const last = globalThis.states.at(-1)?.state;
    const since = globalThis.states.findLast(({ state }) => state !== last);
    const first = globalThis.states.find(({ at, state }) => state === last && at > (since?.at ?? -1));
    return now - (first?.at ?? now);
  }, now);
  const firm = over - ago;
  // The announcement of the last word is made a moment after it.
  await pause(1_000);
  const [shift, spoken] = await page.evaluate(() => [globalThis.shift, globalThis.spoken.filter(Boolean)]);
  return { firm, over, shift, spoken };
};

const quantile = (values, q) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(values.length * q) - 1)];

await weigh('home', '/');
await weigh('site', '/s/shop.demo');
await scripts();

const targets = ['https', 'http'].flatMap(scheme => ANSWERING.map(name => `${scheme}://${name}.demo/`));
const last = new Map();
const streams = [];
for (const javaScriptEnabled of [true, false]) {
  const name = `Enter → first verdict, ${javaScriptEnabled ? 'with' : 'without'} scripts`;
  const took = [];
  const spoken = [];
  const shifts = [];
  for (let n = 0; n < Number(runs); n += 1) {
    const site = targets[n % targets.length];
    await pause(Math.max(0, (last.get(site) ?? 0) + AGAIN_MS - Date.now()));
    last.set(site, Date.now());
    try {
      const run = await verdict(site, javaScriptEnabled, javaScriptEnabled ? toTheEnd : undefined);
      took.push(run.first);
      if (run.spoken) {
        spoken.push(run.spoken.length);
        shifts.push(run.shift);
        streams.push(run.stream);
      }
    } catch (error) {
      say(`${name}: failed`, site, { error: error.message.split('\n')[0] });
      took.push(30_000);
    }
  }
  say(`${name}: p50 ms`, quantile(took, 0.5), { runs: took.length, max: quantile(took, 1) });
  say(`${name}: p95 ms`, quantile(took, 0.95), { runs: took.length });
  if (spoken.length > 0) {
    say('check: spoken updates, most', Math.max(...spoken));
    say('check: CLS, worst', Math.max(...shifts));
  }
}

const provisional = [];
const firm = [];
const over = [];
for (const site of dead) {
  try {
    const run = await verdict(site, true, toTheEnd);
    provisional.push(run.first);
    firm.push(run.firm);
    over.push(run.over);
    streams.push(run.stream);
  } catch (error) {
    say('dead site: failed', site, { error: error.message.split('\n')[0] });
    provisional.push(30_000);
    firm.push(30_000);
  }
}
if (dead.length > 0) {
  say('dead site: provisional, worst, ms', Math.max(...provisional), { runs: dead.length });
  say('dead site: firm, worst, ms', Math.max(...firm), { runs: dead.length });
  say('dead site: over, worst, ms', Math.max(0, ...over), { runs: dead.length });
}
say('check: stream bytes, most', Math.max(0, ...streams), { runs: streams.length, median: quantile(streams, 0.5) });
await browser.close();
