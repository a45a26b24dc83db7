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
    if (list.sites.filter(site => site.verdict !== 'unknown').length >= WANTED) return list.sites;
    await pause(500);
  }
  throw new Error('the demo does not know its sites after a minute');
};

const sites = await everySite();
const browser = await launch(executable);
const first = await browser.newPage();
const checked = await check(first, base, 'shop.demo');
const json = async path => (await fetch(base + path)).json();
const { incidents } = await json('/api/v1/incidents');
const { vantages } = await json('/api/v1/vantages');
const host = sites.find(site => site.host === 'shop.demo')?.host ?? sites[0].host;
const pages = {
  home: '/', check: checked, site: `/s/${host}`, history: `/s/${host}/history`, outages: '/outages',
  network: '/network', tester: `/network/${vantages[0].agent}`, guide: '/learn', 'learn-502': '/learn/502',
  'learn-vpn': '/learn/vpn', about: '/about', status: '/status', privacy: '/privacy', api: '/api', missing: '/nothing',
  'de-home': '/de/', 'de-check': `/de${checked}`, 'de-site': `/de/s/${host}`,
};
if (incidents[0]) pages.incident = incidents[0].url;
for (const viewport of SIZES) {
  for (const colorScheme of SCHEMES) {
    const context = await browser.newContext({ viewport, colorScheme });
    const page = await context.newPage();
    for (const [name, path] of Object.entries(pages)) {
      await page.goto(base + path);
      const file = join(folder, `${name}-${viewport.width}-${colorScheme}.png`);
      await page.screenshot({ path: file, fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      console.log(wide > 0 ? `${file}, ${wide} px too wide` : file);
    }
    await context.close();
  }
}
await browser.close();
