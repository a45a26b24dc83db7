// The little script: rows of a running check fill in place, lists stay fresh, links can be copied. Every page is complete without it.
const $ = id => document.getElementById(id);
const say = text => { $('say').textContent = text; };

const mark = (root, state, word) => {
  const svg = root.querySelector('svg');
  svg.setAttribute('aria-label', word);
  svg.querySelector('use').setAttribute('href', '#i-' + state);
  return svg;
};

// Takes parts of the same page as it is now from the server.
const renew = async ids => {
  const answer = await fetch(location.pathname, { headers: { accept: 'text/html' } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  for (const id of ids) {
    const fresh = page.getElementById(id);
    if (fresh && $(id)) $(id).replaceWith(document.adoptNode(fresh));
  }
  return page;
};

const live = $('live');
if (live?.dataset.src) {
  let said = '', wait = 0;
  const events = new EventSource(live.dataset.src);
  const on = (name, act) => events.addEventListener(name, e => act(JSON.parse(e.data)));
  const announce = (text, pause) => {
    if (text === said) return;
    said = text;
    clearTimeout(wait);
    wait = setTimeout(() => say(text), pause);
  };
  on('row', row => {
    $('v-n').textContent = `${row.n[0]} of ${row.n[1]} testers answered so far`;
    if (!row.c) return;
    const [id, state, word, text] = row.c;
    for (const cell of document.querySelectorAll(`[data-cell="${id}"]`)) {
      mark(cell, state, word).parentNode.className = 'st-' + state;
      cell.querySelector('.ms').textContent = text;
    }
  });
  on('verdict', ({ band, hops }) => {
    $('verdict').className = 'verdict st-' + band.state;
    $('v-i').setAttribute('href', '#i-' + band.state);
    $('v-w').textContent = band.word;
    $('v-h').textContent = band.headline;
    $('v-p').textContent = band.second;
    $('v-v').textContent = band.visitor;
    document.title = band.title;
    [...$('hops').children].forEach((hop, i) => {
      const [state, word, says] = hops[i];
      hop.className = 'st-' + state;
      mark(hop, state, word);
      hop.querySelector('span').textContent = says;
    });
    announce(band.headline, 600);
  });
  on('done', async () => {
    events.close();
    const page = await renew(['live', 'rest']);
    if (!page) return;
    document.title = page.title;
    announce($('v-h').textContent, 0);
  });
  // A stream that is refused is not tried again by the browser: the page as it is then will do.
  events.onerror = () => { if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000); };
  addEventListener('pagehide', () => events.close());
}

const fresh = $('fresh');
if (fresh) {
  setInterval(() => { if (!document.hidden && !$('fresh').contains(document.activeElement)) renew(['fresh']).catch(() => {}); },
    fresh.dataset.refresh * 1000);
}

for (const button of document.querySelectorAll('[data-copy]')) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(location.origin + location.pathname);
    button.textContent = 'Link copied';
    say('Link copied');
  });
}
