// One device: its points, a chart of what was chosen, and what may be written.
const device = { name: null, chosen: null, range: 'hour', past: null, day: {}, raw: {} };

device.open = (main, name) => {
  Object.assign(device, { name, chosen: null, past: null, day: {}, raw: {} });
  const range = (word) => h('label', null, h('input', { type: 'radio', name: 'range', value: word, checked: device.range === word,
    onchange: () => { device.range = word; device.load(); } }), word);
  main.replaceChildren(h('h2', null, 'Device ' + name), h('p', { id: 'd-state', role: 'status' }),
    h('p', { id: 'd-outcome', class: 'outcome', role: 'status' }),
    h('div', { class: 'tools', role: 'group', 'aria-label': 'Chart' }, range('hour'), range('day'),
      h('button', { onclick: device.csv }, 'CSV of what is shown'), device.releaseButton()),
    h('div', { id: 'd-charts' }), h('h2', null, 'Points'), h('table', { class: 'cards' }, h('thead', null, h('tr', null,
      ['point', 'value', 'age', 'quality', 'day min', 'day max', 'place', 'chart', 'write'].map((word, index) =>
        h('th', { class: [1, 2, 4, 5].includes(index) ? 'n' : null }, word)))), h('tbody', { id: 'd-points' })));
  device.rows = {};
  device.load();
  device.loadRaw();
};

/** What stood in the registers, for the integrator. */
device.loadRaw = async () => {
  clearTimeout(device.rawTimer);
  const name = device.name;
  try {
    const found = (await get('/api/v1/values?device=' + encodeURIComponent(name))).devices[name];
    if (device.name === name && found) device.raw = found.values;
  } catch (error) {
    device.raw = {};
  }
  if (device.name === name) device.rawTimer = setTimeout(device.loadRaw, 2000);
};

device.close = () => {
  clearTimeout(device.timer);
  clearTimeout(device.rawTimer);
  device.name = null;
};
device.site = () => (S.site && S.site.devices[device.name]) || { points: [] };
device.releaseButton = () => S.site && S.site.actions ? h('button', { onclick: () =>
  perform($('d-outcome'), 'release', { action: 'release', device: device.name }) }, 'Release at the bridge') : null;

device.load = async () => {
  clearTimeout(device.timer);
  const name = device.name;
  const query = '/api/v1/history?device=' + encodeURIComponent(name);
  try {
    const from = Date.now() - (device.range === 'hour' ? 3600e3 : 86400e3);
    const past = await get(query + '&from=' + from + (device.range === 'day' ? '&step=5m' : ''));
    const whole = device.range === 'day' ? past : await get(query + '&from=' + (Date.now() - 86400e3) + '&step=5m');
    if (device.name !== name || !$('d-charts')) return;
    device.past = past;
    device.past.start = from;
    for (const point in whole.points) {
      const rows = whole.points[point].buckets;
      if (rows.length) device.day[point] = [Math.min(...rows.map((row) => row[2])), Math.max(...rows.map((row) => row[3]))];
    }
    if (!device.chosen) {
      device.chosen = Object.keys(past.points).filter((point) => past.points[point].buckets.length).slice(0, 2);
    }
    device.charts();
    device.paint();
  } catch (error) {
    if (device.name === name && $('d-charts')) put($('d-charts'), h('p', { class: 'quiet' }, error.message));
  }
  if (device.name === name) device.timer = setTimeout(device.load, device.range === 'hour' ? 10000 : 60000);
};

device.charts = () => {
  if (!device.past) return;
  const focus = document.activeElement && document.activeElement.dataset.chart;
  $('d-charts').replaceChildren(...(device.chosen || []).filter((point) => device.past.points[point]).map((point) =>
    chart(point, device.past.points[point], device.past)));
  if (focus) document.querySelectorAll('[data-chart]').forEach((node) => { if (node.dataset.chart === focus) node.focus(); });
};

device.paint = () => {
  const known = S.devices[device.name];
  if (!known || !$('d-points')) return;
  const site = device.site();
  put($('d-state'), state(known.status), [known.since ? 'since ' + time(known.since) : null, known.error, site.address,
    known.attached ? 'bridge: ' + known.attached : null].filter(Boolean).map((word) => ' · ' + word).join(''));
  const names = Object.keys(known.values || {});
  const rows = names.map((name) => {
    const row = device.rows[name] || (device.rows[name] = device.row(name, site.points.find((one) => one.name === name) || {}));
    device.paintRow(row, known, known.values[name], name);
    return row.node;
  });
  if (rows.length !== $('d-points').children.length) $('d-points').replaceChildren(...rows);
};

device.row = (name, point) => {
  const td = (label, tone) => h('td', { class: tone || null, 'data-l': label });
  const cells = { value: td('value', 'n'), age: td('age', 'n'), quality: td('quality'), low: td('day min', 'n'),
    high: td('day max', 'n'), raw: h('small', { class: 'mono' }) };
  const box = h('input', { type: 'checkbox', 'aria-label': 'chart of ' + name, onchange: (event) => {
    device.chosen = (device.chosen || []).filter((one) => one !== name).concat(event.target.checked ? [name] : []);
    device.charts();
  } });
  const node = h('tr', null, h('td', { class: 'who' }, name), cells.value, cells.age, cells.quality, cells.low, cells.high,
    h('td', { 'data-l': 'place' }, h('code', { class: 'quiet' }, point.place || ''), ' ', cells.raw),
    h('td', { 'data-l': 'chart' }, box),
    h('td', { 'data-l': 'write' }, point.writable && S.site.actions ? device.writer(name, point) : ''));
  return { node, cells, box, point };
};

device.paintRow = (row, known, item, name) => {
  const age = ageOf(known, item), point = row.point, isBad = item.length > 2;
  const text = show(item[0], point.decimals);
  put(row.cells.value, h('span', null, item[0] === null ? '–' : isBad ? h('s', null, text) : h('b', null, text),
    point.units && item[0] !== null ? h('span', { class: 'unit' }, point.units) : null));
  put(row.cells.age, age === null ? '' : duration(age));
  put(row.cells.quality, isBad ? h('span', { class: 'alarm' }, '○ ' + item[2]) : item[0] === null ? '' :
    h('span', { class: 'good' }, '● good'));
  put(row.cells.raw, (device.raw[name] || {}).raw || '');
  const day = device.day[name];
  put(row.cells.low, day ? number(day[0], point.decimals) : '');
  put(row.cells.high, day ? number(day[1], point.decimals) : '');
  row.box.checked = !!device.chosen && device.chosen.includes(name);
  row.box.disabled = !day;
};

/** Within its limits, after a question, with its outcome. */
device.writer = (name, point) => {
  const rule = point.writable, isBool = point.type === 'bool';
  const limits = [rule.min !== undefined ? 'from ' + rule.min : '', rule.max !== undefined ? 'to ' + rule.max : '',
    rule.step ? 'step ' + rule.step : ''].filter(Boolean).join(' ');
  const field = rule.values ? h('select', { 'aria-label': name }, rule.values.map((one) => h('option', null, one))) :
    isBool ? h('select', { 'aria-label': name }, h('option', null, 'true'), h('option', null, 'false')) :
      h('input', { type: 'number', 'aria-label': name + ' ' + limits, min: rule.min, max: rule.max, step: rule.step || 'any',
        required: true });
  const send = async (event) => {
    event.preventDefault();
    const value = isBool ? field.value === 'true' : Number(field.value);
    const words = 'write ' + name + ' = ' + field.value + (point.units ? ' ' + point.units : '');
    const before = S.devices[device.name].values[name];
    const now = show(before && before[0], point.decimals);
    if (!await confirmed(device.name + ': ' + words + '? It is ' + now + ' now.')) return;
    perform($('d-outcome'), words, { action: 'write', device: device.name, write: { [name]: value } });
  };
  return h('form', { class: 'tools', onsubmit: send }, field, h('button', null, 'Write'),
    limits ? h('small', null, limits) : null);
};

device.csv = () => {
  if (!device.past) return;
  const rows = ['time,point,units,last,min,max,count'];
  for (const point of device.chosen || []) {
    const past = device.past.points[point];
    const quote = (text) => '"' + String(text).replace(/"/g, '""') + '"';
    for (const row of past ? past.buckets : []) {
      rows.push([new Date(row[0]).toISOString(), quote(point), quote(past.units || ''), ...row.slice(1)].join(','));
    }
  }
  save(device.name + '.csv', [rows.join('\r\n') + '\r\n'], 'text/csv');
};
