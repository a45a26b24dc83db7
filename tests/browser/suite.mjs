// The demo's pages in a real browser. Usage: node suite.mjs http://127.0.0.1:8080 [chromium]
// Prints one line a finding and ends with 1 when there is any.
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { launch, check, crawl, SIZES, SCHEMES } from './browser.mjs';

/** More pages than the demo has; a crawl that finds as many goes in circles. */
const MOST_PAGES = 600;

const [base, executable] = process.argv.slice(2);
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const browser = await launch(executable);
const findings = [];
let checked = 0;

const expect = (what, fine, detail = '') => {
  checked += 1;
  if (!fine) findings.push(`${what}: ${detail}`);
};

/** A page that notes whatever it should not do. */
const open = async (name, options = {}) => {
  const context = await browser.newContext({ viewport: SIZES[0], ...options });
  const page = await context.newPage();
  page.on('request', request => {
    const url = request.url();
    if (!url.startsWith(`${base}/`) && !url.startsWith('data:')) findings.push(`${name}: asks elsewhere, ${url}`);
  });
  page.on('pageerror', error => findings.push(`${name}: script error, ${error.message}`));
  page.on('console', message => {
    if (/content security policy/i.test(message.text())) findings.push(`${name}: against the policy, ${message.text()}`);
  });
  return { page, close: () => context.close() };
};

const within = async (name, work) => {
  try {
    await work();
  } catch (error) {
    findings.push(`${name}: ${error.message.split('\n')[0]}`);
  }
};

let checkPath;

await within('typing a site, with scripts', async () => {
  const { page, close } = await open('with scripts');
  checkPath = await check(page, base, 'shop.demo');
  const said = await page.textContent('#verdict');
  expect('shop.demo, with scripts', said.includes('Norrlight Fibre'), `says ${said}`);
  await close();
});

await within('typing a site, without scripts', async () => {
  const { page, close } = await open('without scripts', { javaScriptEnabled: false });
  await page.goto(base);
  await page.fill('#site', 'video.demo');
  await page.press('#site', 'Enter');
  await page.waitForURL(/\/c\//);
  await page.waitForSelector('#verdict:has-text("FRA")', { timeout: 30_000 });
  const rows = await page.locator('table tbody tr').count();
  expect('video.demo, without scripts', rows > 0, 'no table of results');
  await close();
});

for (const javaScriptEnabled of [true, false]) {
  await within(`bad input, scripts ${javaScriptEnabled}`, async () => {
    const { page, close } = await open('bad input', { javaScriptEnabled });
    await page.goto(base);
    await page.fill('#site', 'ftp://example.com');
    await page.press('#site', 'Enter');
    const sentence = (await page.textContent('#site-error')).trim();
    expect('bad input', sentence.length > 20, `says only ${sentence}`);
    expect('bad input', await page.getAttribute('#site', 'aria-invalid') === 'true', 'the box is not marked');
    expect('bad input', await page.inputValue('#site') === 'ftp://example.com', 'what was typed is gone');
    await close();
  });
}

// Every link of every page leads somewhere.
const found = await crawl(base, ['/', '/s/shop.demo', '/de/', ...(checkPath ? [checkPath] : [])], MOST_PAGES);
for (const [path, { status, from }] of found) expect(`the link to ${path} on ${from || 'the start'}`, status === 200, `status ${status}`);
expect('the crawl', found.size < MOST_PAGES, `there are more than ${MOST_PAGES} pages`);

/** Of pages made alike, the first so many; the others differ in their data alone. */
const KINDS = [
  [/^\/$/, 1], [/^\/outages$/, 1], [/^\/network$/, 1], [/^\/network\/[^/]+$/, 1], [/^\/learn$/, 1], [/^\/learn\/[^/]+$/, 99], [/^\/api$/, 1],
  [/^\/about$/, 1], [/^\/status$/, 1], [/^\/privacy$/, 1], [/^\/i\/[^/]+$/, 1], [/^\/s\/[^/]+$/, 3], [/^\/s\/[^/]+\/history$/, 1],
  [/^\/s\/[^/]+\/embed$/, 1], [/^\/de\/$/, 1], [/^\/de\/s\/[^/]+$/, 1], [/^\/de\/learn\/[^/]+$/, 1], [/^\/de\/about$/, 1], [/^\/de\/status$/, 1],
];
const html = [...found].filter(([, page]) => page.status === 200 && page.type.startsWith('text/html')).map(([path]) => path);
const paths = [...new Set(KINDS.flatMap(([kind, most]) => html.filter(path => kind.test(path)).slice(0, most)))];
if (checkPath) paths.push(checkPath);

// Each page once, then in every width and theme as it stands: the stylesheet alone decides how it looks there.
const audited = await open('the audit');
for (const path of paths) {
  await within(path, async () => {
    await audited.page.setViewportSize(SIZES[0]);
    const answer = await audited.page.goto(base + path);
    expect(path, answer.status() === 200, `status ${answer.status()}`);
    // The debugger's way in: the page keeps its strict policy.
    await audited.page.evaluate(axe);
    for (const viewport of SIZES) {
      await audited.page.setViewportSize(viewport);
      for (const colorScheme of SCHEMES) {
        const name = `${path} at ${viewport.width} px, ${colorScheme}`;
        await audited.page.emulateMedia({ colorScheme });
        const wide = await audited.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(name, wide <= 0, `${wide} px too wide`);
        const { violations } = await audited.page.evaluate(() => globalThis.axe.run());
        const lines = violations.map(v => `${v.id} (${v.help}) at ${v.nodes.map(n => n.target.join(' ')).slice(0, 3).join(', ')}`);
        expect(`axe, ${name}`, lines.length === 0, lines.join('; '));
      }
    }
  });
}
await audited.close();

await browser.close();
for (const finding of findings) console.log(`FAILED ${finding}`);
console.log(`browser: ${paths.length} pages × ${SIZES.length} widths × ${SCHEMES.length} themes, ${found.size} addresses, ${checked} expectations, ${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;
