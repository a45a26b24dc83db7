// Pictures of the demo's pages. Usage: node shots.mjs http://127.0.0.1:8080 FOLDER [chromium]
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { launch, check, SIZES, SCHEMES } from './browser.mjs';

const [given, folder, executable] = process.argv.slice(2);
const base = given.replace(/\/$/, '');
const WANTED = 9;
const TRIES = 120;

/** Waits until every site of the demo has an outcome. */
const everySite = async () => {
  for (let n = 0; n < TRIES; n += 1) {
    const list = await (await fetch(`${base}/api/v1/sites`)).json();
    if (list.sites.filter(site => site.verdict !== 'unknown').length >= WANTED) return;
    await pause(500);
  }
  throw new Error('the demo does not know its sites after a minute');
};

await everySite();
const browser = await launch(executable);
const first = await browser.newPage();
const checked = await check(first, base, 'shop.demo');
const pages = { home: '/', check: checked, site: '/s/shop.demo' };
for (const viewport of SIZES) {
  for (const colorScheme of SCHEMES) {
    const context = await browser.newContext({ viewport, colorScheme });
    const page = await context.newPage();
    for (const [name, path] of Object.entries(pages)) {
      await page.goto(base + path);
      const file = join(folder, `${name}-${viewport.width}-${colorScheme}.png`);
      await page.screenshot({ path: file, fullPage: true });
      console.log(file);
    }
    await context.close();
  }
}
await browser.close();
