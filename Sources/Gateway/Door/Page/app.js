// The log, the stream of events, and which view is shown.
const log = { level: 'info', filter: '' };
const LEVELS = ['error', 'warning', 'info', 'debug'];

log.open = (main) => {
  main.replaceChildren(h('h2', null, 'Log'), h('div', { class: 'tools' },
    h('label', null, 'level', h('select', { onchange: (event) => { log.level = event.target.value; log.paint(true); } },
      LEVELS.map((word) => h('option', { selected: word === log.level }, word)))),
    h('label', null, 'filter', h('input', { id: 'filter', type: 'search', value: log.filter,
      oninput: (event) => { log.filter = event.target.value.toLowerCase(); log.paint(true); } })),
    h('button', { onclick: log.copy }, 'Copy'), h('span', { id: 'l-new', class: 'quiet', role: 'status' })),
  h('div', { class: 'log', id: 'log', tabindex: 0, role: 'log', 'aria-label': 'log' },
    h('table', null, h('tbody', { id: 'l-lines' }))));
  log.paint(true);
};

log.shown = () => S.log.filter((line) => LEVELS.indexOf(line.level) <= LEVELS.indexOf(log.level) && (!log.filter ||
  (line.subsystem + ' ' + line.subject + ' ' + line.message).toLowerCase().includes(log.filter)));

/** A reader who has scrolled away is not moved. */
log.paint = (isNew) => {
  const box = $('log');
  if (!box) return;
  const isAtEnd = isNew || box.scrollHeight - box.scrollTop - box.clientHeight < 30;
  const lines = log.shown();
  if (!isAtEnd) {
    $('l-new').textContent = lines.length > log.count ? lines.length - log.count + ' new below' : '';
    return;
  }
  log.count = lines.length;
  $('l-new').textContent = '';
  put($('l-lines'), lines.map((line) => h('tr', null, h('td', { class: 'quiet' }, time(line.ts)),
    h('td', { class: { error: 'alarm', warning: 'warn' }[line.level] || 'quiet' }, line.level),
    h('td', null, line.subsystem + (line.subject ? ' ' + line.subject : '')), h('td', null, line.message))));
  box.scrollTop = box.scrollHeight;
};

log.copy = async () => {
  const text = log.shown().map((line) => [line.ts, line.level, line.subsystem, line.subject, line.message].join(' ')).join('\n');
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.body.appendChild(h('textarea'));
    area.value = text;
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  $('l-new').textContent = 'copied';
};

const VIEWS = { '': overview, port, device, log };
let view = null;

function route() {
  const [kind, name] = location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  const next = VIEWS[kind] || overview;
  if (view && view.close) view.close();
  view = next;
  document.title = (name || (next === log ? 'log' : 'overview')) + ' · ' + (S.overview ? S.overview.gateway : 'fieldgw');
  document.querySelectorAll('nav a').forEach((link) => {
    const isHere = link.getAttribute('href') === (next === log ? '#/log' : next === overview ? '#/' : '');
    if (isHere) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  });
  next.open($('main'), name);
  next.paint();
  scrollTo(0, 0);
}

let isPainting = false;
function paint() {
  if (isPainting) return;
  isPainting = true;
  requestAnimationFrame(() => {
    isPainting = false;
    if (view) view.paint();
    head();
  });
}

function head() {
  const now = time(Date.now());
  put($('state'), S.live ? [now + ' ', h('b', null, h('i', { 'aria-hidden': 'true' }, '●'), ' live')] : now + ' not connected');
  document.body.classList.toggle('stale', !S.live);
  $('away').hidden = S.live || !S.away;
  if (!S.live && S.away) {
    put($('away'), 'No connection to the gateway since ' + time(S.away) +
      '. What is shown is from before; it goes on by itself.');
  }
  if (S.overview) $('foot').textContent = 'fieldgw ' + S.overview.version + ' · up ' + duration(S.overview.uptime);
}

const HISTORY = 60;
function onValues(data) {
  const at = performance.now();
  for (const name in data.devices) {
    const known = data.devices[name];
    known.at = at;
    known.mark = at;
    S.devices[name] = known;
  }
}

/** The last ten minutes of each device's first number, where the gateway keeps them: one request at a time. */
async function prefill() {
  for (const [name, known] of Object.entries(S.site.history ? S.site.devices : {}).slice(0, 200)) {
    const first = known.points.find((point) => !point.hidden && !['string', 'bits'].includes(point.type));
    if (!first) continue;
    const from = Date.now() - HISTORY * 10000;
    const past = await get('/api/v1/history?device=' + encodeURIComponent(name) + '&point=' + encodeURIComponent(first.name) +
      '&from=' + from);
    const values = new Array(HISTORY).fill(null);
    for (const row of past.points[first.name].buckets) {
      const place = Math.floor((row[0] - from) / 10000);
      if (place >= 0 && place < HISTORY) values[place] = row[1];
    }
    S.spark[name] = values;
    if (S.devices[name]) S.devices[name].mark = performance.now();
  }
}

/** Every ten seconds one sample for the small lines. */
function sample() {
  for (const name in S.devices) {
    const first = Object.entries(S.devices[name].values || {}).find(([, item]) => typeof item[0] === 'number');
    const past = S.spark[name] || (S.spark[name] = []);
    past.push(first && first[1].length < 3 && S.devices[name].status !== 'offline' ? first[1][0] : null);
    if (past.length > HISTORY) past.shift();
    S.devices[name].mark = performance.now();
  }
}

/** Rates over the last ten seconds. */
const before = {};
function rates(key, value, name, scale) {
  const list = before[key] || (before[key] = []);
  list.push([performance.now() / 1000, value]);
  while (list.length > 2 && list[list.length - 1][0] - list[0][0] > 10) list.shift();
  const [first, last] = [list[0], list[list.length - 1]];
  if (last[0] - first[0] > .5) S.load[name] = Math.max(0, (last[1] - first[1]) / (last[0] - first[0])) * (scale || 1);
}

function connect() {
  const source = new EventSource('/api/v1/events');
  const on = (name, take) => source.addEventListener(name, (event) => {
    S.live = true;
    S.heard = performance.now();
    take(JSON.parse(event.data));
    paint();
  });
  on('overview', (data) => { S.overview = data; rates('acknowledged', data.tally.acknowledged, 'acknowledged'); });
  on('ports', (data) => {
    for (const name in data) {
      S.ports[name] = data[name];
      rates('bus ' + name, data[name].busTimeSeconds, name);
      for (const [use, seconds] of Object.entries(data[name].lineTimeSeconds || {})) {
        rates('use ' + name + ' ' + use, seconds, 'use ' + name + ' ' + use);
      }
      if (S.load[name] !== undefined) S.load[name] = Math.min(1, S.load[name]);
    }
  });
  on('values', onValues);
  on('log', (data) => {
    const known = new Set(S.log.map((line) => line.ts + line.n));
    S.log = S.log.concat(data.lines.filter((line) => !known.has(line.ts + line.n))).slice(-500);
  });
  source.onerror = () => {
    if (S.live || !S.away) S.away = S.live ? Date.now() : S.away || Date.now();
    S.live = false;
    paint();
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { source.close(); site().then(connect, connect); }, 2000);
  };
}

async function site() {
  S.site = await get('/api/v1/site');
  $('keys').hidden = false;
  for (const name in S.devices) S.devices[name].mark = -1;
  route();
}

addEventListener('keydown', (event) => {
  const isTyping = event.target.closest && event.target.closest('input, select, textarea, dialog');
  if (event.key === 'Escape') {
    if (document.querySelector('dialog')) return;
    if (isTyping) {
      if (event.target.id === 'filter') {
        event.target.value = '';
        event.target.dispatchEvent(new Event('input'));
      }
      event.target.blur();
    } else location.hash = '#/';
  } else if (isTyping || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  } else if (event.key === '/') {
    event.preventDefault();
    if ($('filter')) $('filter').focus();
  } else if (event.key === 'j' || event.key === 'k') {
    const rows = [...document.querySelectorAll('[data-row]')];
    const next = rows.indexOf(document.activeElement) + (event.key === 'j' ? 1 : -1);
    if (rows.length) rows[Math.min(rows.length - 1, Math.max(0, next))].focus();
  }
});
document.querySelector('.skip').addEventListener('click', (event) => { event.preventDefault(); $('main').focus(); });
addEventListener('hashchange', route);
setInterval(() => {
  if (S.live && performance.now() - S.heard > 8000) { S.live = false; S.away = Date.now() - 8000; }
  paint();
}, 1000);
setInterval(sample, 10000);
site().then(() => { connect(); prefill().catch(() => {}); }, connect);
