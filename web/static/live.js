// The little script: rows of a running check fill in place, lists stay fresh, links can be copied, and the visitor's own browser
// can try the site. Every page is complete without it.
const $ = id => document.getElementById(id);
const say = text => { $('say').textContent = text; };

const mark = (root, state, word) => {
  const svg = root.querySelector('svg');
  svg.setAttribute('aria-label', word);
  svg.querySelector('use').setAttribute('href', '#i-' + state);
  return svg;
};

const parse = text => new DOMParser().parseFromString(text, 'text/html');

const take = (page, ids) => {
  for (const id of ids) {
    const fresh = page.getElementById(id);
    if (fresh && $(id)) $(id).replaceWith(document.adoptNode(fresh));
  }
};

// Takes parts of the same page as it is now from the server.
const renew = async ids => {
  const answer = await fetch(location.pathname, { headers: { accept: 'text/html' } });
  if (!answer.ok) return;
  const page = parse(await answer.text());
  take(page, ids);
  return page;
};

const live = $('live');
if (live?.dataset.src) {
  const states = ['unknown', 'waiting', 'up', 'hidden', 'slow', 'partly', 'down'];
  const words = live.dataset.words.split('|');
  const word = state => words[states.indexOf(state)];
  const heard = new Set();
  let said = '', wait = 0, spoken = 0, asked = 0;
  const events = new EventSource(live.dataset.src);
  const on = (name, act) => events.addEventListener(name, e => act(JSON.parse(e.data)));
  // At most two on the way, and the last word: a screen reader is not talked over.
  const announce = (text, pause, last) => {
    if (text === said || (!last && spoken > 1)) return;
    said = text;
    spoken += 1;
    clearTimeout(wait);
    wait = setTimeout(() => say(text), pause);
  };
  let host = '';
  on('start', start => {
    asked = start.asked;
    host = new URL(start.target).hostname;
  });
  const fill = (cell, state, text) => {
    if (!cell) return;
    for (const place of document.querySelectorAll(`[data-cell="${cell}"]`)) {
      mark(place, state, word(state)).parentNode.className = 'st-' + state;
      place.querySelector('.ms').textContent = text;
    }
  };
  // What a tester has seen until now; its row comes later.
  on('so-far', cells => { for (const cell of cells) fill(...cell); });
  on('rows', rows => {
    for (const [tester, , , ...cell] of rows) {
      heard.add(tester);
      fill(...cell);
    }
    asked = Math.max(asked, heard.size);
    $('v-n').textContent = live.dataset.n.replace('%a', heard.size).replace('%b', asked);
  });
  // Each verdict says what is other than before.
  const band = {};
  on('verdict', change => {
    Object.assign(band, change.band);
    $('verdict').className = 'verdict st-' + band.state;
    $('v-i').setAttribute('href', '#i-' + band.state);
    $('v-w').textContent = band.word;
    $('v-h').textContent = band.headline;
    $('v-p').textContent = band.second;
    $('v-v').textContent = band.visitor;
    document.title = `${band.word}: ${host}`;
    for (const [place, [state, says]] of Object.entries(change.hops ?? {})) {
      const hop = $('hops').children[place];
      hop.className = 'st-' + state;
      mark(hop, state, word(state));
      hop.querySelector('span').textContent = says;
    }
    announce(band.headline, 600);
  });
  on('done', async () => {
    events.close();
    const page = await renew(['live', 'rest']);
    if (!page) return;
    document.title = page.title;
    announce($('v-h').textContent, 0, true);
  });
  // A stream that is refused is not tried again by the browser: the page as it is then will do.
  events.onerror = () => { if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000); };
  addEventListener('pagehide', () => events.close());
}

// The visitor's own test: the site, a picture of it, and our beacon at the same moment. Nothing runs before the button is pressed.
const you = $('you');
const button = you?.querySelector('button');
if (button) {
  const LIMIT = 10_000;
  const late = () => new Promise(done => setTimeout(done, LIMIT, 'timeout'));
  const fetched = url => fetch(url, { mode: 'no-cors', cache: 'no-store', credentials: 'omit' }).then(() => 'ok', () => 'error');
  const drawn = url => new Promise(done => {
    const image = new Image();
    image.onload = () => done('ok');
    image.onerror = () => done('error');
    image.src = url;
  });
  const once = () => '?parallax=' + Date.now();
  button.hidden = false;
  you.addEventListener('submit', async event => {
    event.preventDefault();
    const label = button.textContent;
    button.textContent = button.dataset.busy;
    button.disabled = true;
    let barred = location.protocol === 'https:' && you.dataset.origin.startsWith('http:');
    const note = () => { barred = true; };
    document.addEventListener('securitypolicyviolation', note);
    const origin = you.dataset.origin;
    const [site, image, beacon] = await Promise.all([
      Promise.race([fetched(origin + '/' + once()), late()]),
      Promise.race([drawn(origin + '/favicon.ico' + once()), late()]),
      Promise.race([fetch('/beacon' + once(), { cache: 'no-store' }).then(r => r.ok ? 'ok' : 'error', () => 'error'), late()]),
    ]);
    document.removeEventListener('securitypolicyviolation', note);
    const found = new URLSearchParams({ site: barred && site !== 'ok' ? 'barred' : site, image, beacon });
    try {
      const answer = await fetch(you.action, { method: 'POST', body: found });
      const page = parse(await answer.text());
      const said = page.querySelector('#you-answer h1');
      const title = page.createElement('h3');
      title.append(...said.childNodes);
      said.replaceWith(title);
      take(page, ['you-answer']);
      say(title.textContent);
    } finally {
      button.textContent = label;
      button.disabled = false;
    }
  });
}

const fresh = $('fresh');
if (fresh) {
  setInterval(() => { if (!document.hidden && !$('fresh').contains(document.activeElement)) renew(['fresh']).catch(() => {}); },
    fresh.dataset.refresh * 1000);
}

for (const copy of document.querySelectorAll('[data-copy]')) {
  if (!navigator.clipboard) continue;
  copy.hidden = false;
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(location.origin + location.pathname);
    copy.textContent = copy.dataset.copy;
    say(copy.dataset.copy);
  });
}
