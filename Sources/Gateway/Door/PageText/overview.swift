// Written by board/setup/embed-page from Page/overview.js: change that file.
// swift-format-ignore-file

extension PageText {
    static let overview = ###"""
// The first screen: what is wrong, the bridge, the journal, the lines and the devices.
const overview = { rows: {}, filter: '', sort: 'trouble' };

overview.open = (main) => {
  overview.rows = {};
  const find = h('input', { id: 'filter', type: 'search', value: overview.filter, 'aria-label': 'Filter devices',
    oninput: (event) => { overview.filter = event.target.value.toLowerCase(); overview.paint(); } });
  const order = h('select', { id: 'sort', onchange: (event) => { overview.sort = event.target.value; overview.paint(); } },
    ['trouble', 'name', 'line'].map((word) => h('option', { selected: word === overview.sort }, word)));
  main.replaceChildren(
    h('h2', { id: 'h-problems' }, 'Problems'),
    h('div', { id: 'problems', 'aria-live': 'polite', 'aria-labelledby': 'h-problems' }),
    h('dl', { class: 'facts', id: 'facts' }),
    h('h2', null, 'Lines'),
    h('table', { class: 'cards' }, h('thead', null, h('tr', null,
      ['line', 'setting', 'use', 'units', 'late', 'errors, last hour'].map((word, index) =>
        h('th', { class: index === 3 || index === 4 ? 'n' : null }, word)))), h('tbody', { id: 'lines' })),
    h('h2', null, 'Devices'),
    h('div', { class: 'tools' }, h('label', null, 'filter', find), h('label', null, 'sort', order),
      h('span', { id: 'count', class: 'quiet', role: 'status' })),
    h('table', { class: 'cards' }, h('thead', null, h('tr', null, ['device', 'values', 'age', 'state', 'last 10 min'].map(
      (word, index) => h('th', { class: index === 2 ? 'n' : null }, word)))), h('tbody', { id: 'devices' })));
};

overview.paint = () => {
  if (!$('problems')) return;
  if (S.overview) {
    put($('problems'), problems(S.overview.problems));
    put($('facts'), facts(S.overview));
  }
  lines();
  devices();
};

function problems(list) {
  if (!list.length) return h('p', { class: 'quiet' }, 'None.');
  return h('ul', { class: 'problems' }, list.map((problem) => h('li', { class: problem.severity },
    h('span', { class: 'sign', role: 'img', 'aria-label': problem.severity }, problem.severity === 'critical' ? '■' : '▲'),
    h('strong', null, subject(problem.subject)), ' ', problem.text,
    problem.since ? h('span', { class: 'quiet' }, ' since ' + time(problem.since)) : null)));
}

function subject(name) {
  if (S.ports[name]) return h('a', { href: '#/port/' + encodeURIComponent(name) }, name);
  return S.devices[name] ? h('a', { href: '#/device/' + encodeURIComponent(name) }, name) : name;
}

function facts(o) {
  const bridge = o.bridge, spool = o.spool;
  const known = Object.keys(S.devices).length;
  const rate = S.load.acknowledged;
  const left = rate > 0 && spool.waiting > 20 ? ', ' + duration(spool.waiting / rate) + ' to go' : '';
  return [
    fact('Bridge', [bridge.online ? bridge.state + (bridge.since ? ' since ' + time(bridge.since) : '') : bridge.state +
      (bridge.nextTrySeconds !== undefined ? ', next try in ' + duration(bridge.nextTrySeconds) : ''),
    bridge.online ? bridge.attached + ' of ' + plural(known, 'device') + ' attached, ' + milliseconds(o.acknowledgeSeconds) +
      ' to acknowledge' : null]),
    fact('Journal', [plural(spool.waiting, 'record') + ' waiting' + (spool.waiting ? ' (' + bytes(spool.waitingBytes) + ')' : '')
      + left, number(o.tally.acknowledged) + ' acknowledged since the start']),
    fact('Clock', [{ trusted: 'trusted', unproven: 'nothing proves it', impossible: 'impossible' }[bridge.clock]]),
  ];
}

const fact = (name, words) => h('div', null, h('dt', null, name), words.filter(Boolean).map((word) => h('dd', null, word)));

function lines() {
  const rows = Object.entries(S.ports).map(([name, port]) => {
    const units = Object.values(port.units || {});
    const bad = units.filter((unit) => unit.state && unit.state !== 'online').length;
    const use = S.load[name];
    const site = S.site && S.site.ports[name];
    const isOpen = port.state === 'open';
    return h('tr', null,
      h('td', { class: 'who' }, h('a', { href: '#/port/' + encodeURIComponent(name), 'data-row': true }, name)),
      h('td', { 'data-l': 'setting' }, isOpen ? (site ? site.line : '') : h('span', { class: 'alarm' }, '○ ' + port.state)),
      h('td', { 'data-l': 'use' }, use === undefined ? '' : h('span', null, h('meter', { min: 0, max: 1, high: .9,
        value: use.toFixed(2), 'aria-label': 'line use' }), ' ', Math.round(use * 100) + ' %')),
      h('td', { class: 'n', 'data-l': 'units' }, units.length + (bad ? ', ' + bad + ' not well' : '')),
      h('td', { class: 'n', 'data-l': 'late' }, number(port.late)),
      h('td', { 'data-l': 'errors, last hour' }, port.errors ? errorBars(port.errors) : ''));
  });
  put($('lines'), rows);
}

function errorBars(counts) {
  if (!counts.some((count) => count)) return h('span', { class: 'quiet' }, 'none');
  const most = Math.max(1, ...counts);
  return h('svg', { class: 'spark', viewBox: '0 0 60 16', preserveAspectRatio: 'none', role: 'img',
    'aria-label': plural(counts.reduce((sum, count) => sum + count, 0), 'error') + ' in the last hour' },
  counts.map((count, index) => count ? h('rect', { x: index, width: .8, height: (2 + 14 * count / most).toFixed(1),
    y: (14 - 14 * count / most).toFixed(1) }) : null));
}

const RANK = { offline: 0, degraded: 1, online: 3 };
function rank(device) {
  const hasBad = Object.values(device.values || {}).some((value) => value.length > 2);
  const base = RANK[device.status];
  return base === 3 && hasBad ? 2 : base === undefined ? 2.5 : base;
}

function devices() {
  const body = $('devices');
  const shown = Object.entries(S.devices).filter(([name, device]) => !overview.filter ||
    (name + ' ' + (device.status || '') + ' ' + (device.error || '')).toLowerCase().includes(overview.filter));
  const line = (name) => (S.site && S.site.devices[name] && S.site.devices[name].address) || '';
  const keys = { trouble: (a, b) => rank(a[1]) - rank(b[1]), name: (a, b) => a[0].localeCompare(b[0]),
    line: (a, b) => line(a[0]).localeCompare(line(b[0]), undefined, { numeric: true }) };
  shown.sort(keys[overview.sort]);
  const order = shown.map(([name, device]) => {
    const row = overview.rows[name] || (overview.rows[name] = deviceRow(name));
    paintRow(row, name, device);
    return row.node;
  });
  if (order.length !== body.children.length || order.some((node, index) => body.children[index] !== node)) {
    const focus = document.activeElement;
    body.replaceChildren(...order);
    if (focus && body.contains(focus)) focus.focus();
  }
  const all = Object.keys(S.devices).length;
  put($('count'), shown.length === all ? plural(all, 'device') : shown.length + ' of ' + plural(all, 'device'));
}

function deviceRow(name) {
  const cells = { values: h('td', { 'data-l': 'values' }), age: h('td', { class: 'n', 'data-l': 'age' }),
    state: h('td', { 'data-l': 'state' }), spark: h('td', { 'data-l': 'last 10 min' }) };
  const node = h('tr', null, h('td', { class: 'who' }, h('a', { href: '#/device/' + encodeURIComponent(name), 'data-row': true },
    name)), cells.values, cells.age, cells.state, cells.spark);
  return { node, cells, mark: null };
}

function paintRow(row, name, device) {
  const ages = Object.values(device.values || {}).map((value) => ageOf(device, value)).filter((age) => age !== null);
  const age = ages.length ? duration(Math.min(...ages)) + ' ago' : '';
  if (row.cells.age.textContent !== age) row.cells.age.textContent = age;
  if (row.mark === device.mark && row.hasSite === !!S.site) return;
  row.mark = device.mark;
  row.hasSite = !!S.site;
  const points = (S.site && S.site.devices[name] && S.site.devices[name].points) || [];
  const names = Object.keys(device.values || {}).filter((point) => !isHidden(points, point)).slice(0, 4);
  put(row.cells.values, h('span', null, names.map((point) =>
    value(point, device.values[point], points.find((one) => one.name === point)))));
  put(row.cells.state, h('span', null, state(device.status), device.error && device.status !== 'online' ?
    h('small', null, ' ' + device.error + (device.since ? ', since ' + time(device.since) : '')) : null));
  const past = S.spark[name];
  put(row.cells.spark, past && past.some((one) => one !== null) ? sparkline(past, 'last 10 minutes of ' + names[0]) : null);
}

const isHidden = (points, name) => points.some((point) => point.name === name && point.hidden);

/** A bad value shows its reason, and what was last good struck out beside it. */
function value(name, item, point) {
  const units = point && point.units ? h('span', { class: 'unit' }, point.units) : null;
  const text = show(item[0], point && point.decimals);
  return h('span', { class: 'val' }, h('span', { class: 'quiet' }, name + ' '), item.length > 2 ?
    [h('span', { class: 'alarm' }, item[2]), item[0] === null ? null : [' ', h('s', null, text)]] : [h('b', null, text), units]);
}
"""###
}
