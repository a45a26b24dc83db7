// Lighthouse on some pages of the demo, as a phone and as a desktop. Prints one JSON object a line: {"what","value",…}.
// Usage: node lighthouse.mjs http://127.0.0.1:8080 PATH…
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import lighthouse, { desktopConfig } from 'lighthouse';
import { launch as launchChrome } from 'chrome-launcher';
import { ARGS } from './browser.mjs';

// Now and then Chromium's trace has no beginning; Lighthouse then says itself that nothing was measured and asks to be run again.
const UNMEASURED = 'NO_NAVSTART';
const ATTEMPTS = 3;

async function measured(url, config) {
  for (let attempt = 1; ; attempt++) {
    const profile = mkdtempSync(join(tmpdir(), 'lighthouse-'));
    const chrome = await launchChrome({ chromePath: '/usr/bin/chromium', userDataDir: profile, chromeFlags: [...ARGS, '--headless'] });
    const result = await lighthouse(url, { port: chrome.port, output: 'json', logLevel: 'error' }, config);
    chrome.kill();
    if (result.lhr.runtimeError?.code !== UNMEASURED || attempt === ATTEMPTS) return result;
    console.error(`Lighthouse ${url}: ${UNMEASURED}, measured again`);
  }
}

const [given, ...paths] = process.argv.slice(2);
const base = given.replace(/\/$/, '');
for (const path of paths) {
  for (const [preset, config] of [['mobile', undefined], ['desktop', desktopConfig]]) {
    const result = await measured(base + path, config);
    const { categories, audits } = result.lhr;
    const scores = Object.fromEntries(Object.entries(categories).map(([name, { score }]) => [name, Math.round(score * 100)]));
    const failed = Object.values(audits).filter(audit => audit.score === 0 && audit.scoreDisplayMode === 'binary').map(audit => audit.id);
    const value = ['performance', 'accessibility', 'best-practices', 'seo'].map(name => scores[name]).join('/');
    console.log(JSON.stringify({
      what: `Lighthouse ${path} ${preset}`, value, failed,
      lcp: Math.round(audits['largest-contentful-paint'].numericValue), tbt: Math.round(audits['total-blocking-time'].numericValue),
    }));
  }
}
