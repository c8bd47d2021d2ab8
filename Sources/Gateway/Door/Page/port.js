// One line: its use, its units, and what is said on it.
const port = { name: null, detail: null, timer: null };
const BOUNDS = [.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5];

port.open = (main, name) => {
  port.name = name;
  port.detail = null;
  main.replaceChildren(h('h2', null, 'Line ' + name), h('p', { id: 'p-state', role: 'status' }),
    h('div', { id: 'p-use' }), h('div', { id: 'p-actions' }),
    h('p', { id: 'p-outcome', class: 'outcome', role: 'status' }), h('h2', null, 'Units'),
    h('div', { class: 'scroll' }, h('table', { class: 'cards' }, h('thead', null, h('tr', null,
      ['unit', 'devices', 'state', 'reply p50, p99', 'requests', 'timeouts', 'CRC', 'exceptions', 'last good', 'last hour'].map(
        (word, index) => h('th', { class: index > 3 && index < 9 ? 'n' : null }, word)))), h('tbody', { id: 'p-units' }))),
    h('p', { class: 'quiet' }, 'Last hour, one cell a minute: green good, amber late, red damaged or refused, dark silent.'),
    h('h2', null, 'Frames'),
    h('div', { class: 'scroll' }, h('table', { class: 'frames' }, h('caption', { class: 'quiet' }, 'the latest, newest first'),
      h('tbody', { id: 'p-frames' }))));
  if (S.site && S.site.actions) {
    put($('p-actions'), '');
    $('p-actions').append(h('div', { class: 'tools' },
      button('Pause 10 min', 'pause', { for: '10m' }), button('Resume', 'resume'),
      h('button', { onclick: () => perform($('p-outcome'), 'capture', { action: 'capture', port: name }, (answer) =>
        save(name + '.pcap', [Uint8Array.from(atob(answer.pcap), (one) => one.charCodeAt(0))],
          'application/vnd.tcpdump.pcap')) }, 'Save capture')));
  }
  port.load();
};

const button = (label, action, more) => h('button', { onclick: () =>
  perform($('p-outcome'), action, { action, port: port.name, ...more }) }, label);

port.load = async () => {
  clearTimeout(port.timer);
  const name = port.name;
  try {
    port.detail = await get('/api/v1/line?port=' + encodeURIComponent(name));
  } catch (error) {
    if ($('p-state')) $('p-state').textContent = error.message;
    return;
  }
  if (port.name !== name || !$('p-frames')) return;
  port.paint();
  port.timer = setTimeout(port.load, 2000);
};

port.close = () => { clearTimeout(port.timer); port.name = null; };

port.paint = () => {
  const figures = S.ports[port.name];
  if (!figures || !$('p-units')) return;
  const use = S.load[port.name];
  const site = S.site && S.site.ports[port.name];
  const facts = [figures.state, figures.path, site && site.line,
    use === undefined ? null : Math.round(use * 100) + ' % of the time used',
    plural(figures.late, 'late cycle'), plural(figures.skipped, 'skipped cycle')];
  put($('p-state'), facts.filter(Boolean).join(' · '),
    figures.trouble ? h('span', { class: 'alarm' }, ' ' + figures.trouble) : null,
    figures.diagnosis ? h('strong', { class: 'warn' }, ' ' + figures.diagnosis) : null);
  put($('p-use'), useBar(figures.lineTimeSeconds || {}));
  put($('p-units'), Object.entries(figures.units || {}).map(([id, unit]) => unitRow(id, unit)));
  if (port.detail) put($('p-frames'), port.detail.frames.slice().reverse().map((frame) => h('tr', null,
    h('td', null, frame.ts.slice(11, 23)), h('td', null, frame.sent ? '→ sent' : '← received'), h('td', null, frame.text),
    h('td', { class: 'quiet' }, frame.bytes))));
};

const USES = { polls: 'polls', retries: 'retries', silent: 'silent units', commands: 'commands',
  checks: 'checks', others: 'other masters', free: 'free' };

/** The line's time of the last ten seconds by what it was used for. */
function useBar(totals) {
  const parts = Object.keys(USES).filter((use) => use in totals);
  if (!parts.length) return [];
  const shares = parts.map((use) => S.load['use ' + port.name + ' ' + use] || 0);
  const sum = shares.reduce((all, share) => all + share, 0);
  const scale = 100 / Math.max(1, sum);
  let x = 0;
  const bar = parts.map((use, index) => {
    const width = shares[index] * scale;
    x += width;
    return h('rect', { class: 'u-' + use, x: x - width, width, height: 4 });
  });
  const words = parts.concat('free').map((use, index) => h('span', { class: 'key' },
    h('i', { class: 'u-' + use }),
    USES[use] + ' ' + (use === 'free' ? 100 - x : shares[index] * scale).toFixed(1) + ' %'));
  return [h('svg', { class: 'use', viewBox: '0 0 100 4', preserveAspectRatio: 'none',
    'aria-hidden': 'true' }, bar), h('p', { class: 'quiet' }, words)];
}

function unitRow(id, unit) {
  const devices = (S.site ? Object.entries(S.site.devices) : []).filter(([, device]) => device.address === port.name + ':' + id);
  const cell = (label, text, tone) => h('td', { class: 'n' + (tone ? ' ' + tone : ''), 'data-l': label }, text);
  return h('tr', null, h('td', { class: 'who' }, 'unit ' + id),
    h('td', { 'data-l': 'devices' }, devices.map(([name], index) => [index ? ', ' : '', h('a', {
      href: '#/device/' + encodeURIComponent(name), 'data-row': true }, name)]).flat()),
    h('td', { 'data-l': 'state' }, h('span', null, state(unit.state),
      unit.diagnosis ? h('small', null, ' ' + unit.diagnosis) : null)),
    h('td', { 'data-l': 'reply p50, p99' }, unit.replySeconds ? h('span', null, replies(unit.replySeconds)) : ''),
    cell('requests', number(unit.requests)), cell('timeouts', number(unit.timeouts), unit.timeouts && 'warn'),
    cell('CRC', number(unit.checksum), unit.checksum && 'warn'),
    cell('exceptions', number(unit.exceptions), unit.exceptions && 'warn'),
    cell('last good', unit.lastGoodSecondsAgo === undefined ? '–' : duration(unit.lastGoodSecondsAgo) + ' ago'),
    h('td', { 'data-l': 'last hour' }, port.detail && port.detail.strips[id] ? strip(port.detail.strips[id]) : ''));
}

function quantile(classes, count, share) {
  let sum = 0;
  for (let index = 0; index < classes.length; index += 1) {
    sum += classes[index];
    if (sum >= count * share) return index < BOUNDS.length ? '≤ ' + milliseconds(BOUNDS[index]) : '> 5 s';
  }
  return '–';
}

function replies(times) {
  const most = Math.max(1, ...times.classes);
  const p50 = quantile(times.classes, times.count, .5), p99 = quantile(times.classes, times.count, .99);
  return [h('span', { class: 'num' }, p50 + ', ' + p99), h('svg', { class: 'bars', width: 65, height: 14, role: 'img',
    'aria-label': 'reply times from 1 ms to 5 s' }, times.classes.map((count, index) => count ? h('rect', { x: index * 5,
    width: 4, y: (13 - 12 * count / most).toFixed(1), height: (1 + 12 * count / most).toFixed(1) }) : null))];
}

const STRIP = ['not asked', 'good', 'late', 'damaged or refused', 'silent'];
function strip(cells) {
  const now = Date.now();
  return h('svg', { class: 'strip', viewBox: '0 0 60 10', preserveAspectRatio: 'none', role: 'img',
    'aria-label': STRIP.slice(1).map((word, index) => [...cells].filter((cell) => cell === String(index + 1)).length + ' min ' +
      word).join(', ') }, [...cells].map((cell, index) => h('rect', { class: 'c' + cell, x: index, width: .85, height: 10 },
    h('title', null, time(now - (cells.length - index) * 60000) + ' ' + STRIP[cell]))));
}
