// One browser for suite, pictures and measurements: the system's Chromium, headless, talking to nobody but the page.
import { chromium } from 'playwright-core';

export const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--hide-scrollbars'];

export const launch = executablePath =>
  chromium.launch({ executablePath: executablePath ?? '/usr/bin/chromium', headless: true, args: ARGS });

export const SIZES = [{ width: 1280, height: 900 }, { width: 768, height: 1024 }, { width: 320, height: 640 }];
export const SCHEMES = ['light', 'dark'];

/** Types a site into the box and waits until the page of its check says its last word. */
export const check = async (page, base, site) => {
  await page.goto(base);
  await page.fill('#site', site);
  await page.press('#site', 'Enter');
  await page.waitForURL(/\/c\//);
  // The page of a check that is over has no stream to follow.
  await page.waitForSelector('#live:not([data-src])', { timeout: 30_000 });
  return new URL(page.url()).pathname;
};

/** Every address of ours a page names. */
export const links = html =>
  [...html.matchAll(/\s(?:href|src)="(\/[^"#]*)/g)].map(([, path]) => path.replaceAll('&#38;', '&').replaceAll('&amp;', '&'));

/** From `start` along every link, at most `most` pages: path to `{status, type, from}`. */
export const crawl = async (base, start, most) => {
  const seen = new Map();
  const queue = start.map(path => [path, '']);
  while (queue.length > 0 && seen.size < most) {
    const [path, from] = queue.shift();
    if (seen.has(path)) continue;
    const answer = await fetch(base + path, { redirect: 'manual' });
    const type = answer.headers.get('content-type') ?? '';
    const text = await answer.text();
    seen.set(path, { status: answer.status, type, from });
    if (answer.status === 200 && type.startsWith('text/html')) for (const next of links(text)) queue.push([next, path]);
  }
  return seen;
};
