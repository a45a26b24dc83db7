// One browser for suite and pictures: the system's Chromium, headless, talking to nobody but the page.
import { chromium } from 'playwright-core';

export const launch = executablePath =>
  chromium.launch({
    executablePath: executablePath ?? '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--hide-scrollbars'],
  });

export const SIZES = [{ width: 1280, height: 900 }, { width: 320, height: 640 }];
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
