// Written by board/setup/embed-page from Page/chart.js: change that file.
// swift-format-ignore-file

extension PageText {
    static let chart = ###"""
// A chart of one point: a line of last values before the band from smallest to largest; where nothing was read is a gap.
function chart(name, past, range) {
  const W = 1000, H = 150, step = range.step * 1000;
  const from = range.start, to = Math.max(Date.now(), from + step);
  const rows = past.buckets.filter((row) => row[0] >= from - step);
  const x = (ms) => (ms + step / 2 - from) / (to - from) * W;
  let low = Math.min(...rows.map((row) => row[2])), high = Math.max(...rows.map((row) => row[3]));
  if (!rows.length) [low, high] = [0, 1];
  if (low === high) [low, high] = [low - 1, high + 1];
  const y = (value) => H - 8 - (value - low) / (high - low) * (H - 16);
  let line = '', band = '';
  for (let first = 0, index = 1; index <= rows.length; index += 1) {
    if (index < rows.length && rows[index][0] - rows[index - 1][0] <= step * 1.5) continue;
    const run = rows.slice(first, index);
    line += 'M' + run.map((row) => x(row[0]).toFixed(1) + ' ' + y(row[1]).toFixed(1)).join('L') + (run.length === 1 ? 'h2' : '');
    band += 'M' + run.map((row) => x(row[0]).toFixed(1) + ' ' + y(row[3]).toFixed(1)).join('L') + 'L' +
      run.slice().reverse().map((row) => x(row[0]).toFixed(1) + ' ' + y(row[2]).toFixed(1)).join('L') + 'Z';
    first = index;
  }
  const point = device.site().points.find((one) => one.name === name) || {};
  const units = past.units ? ' ' + past.units : '';
  const readout = h('span', { class: 'quiet num', role: 'status' }, rows.length ? '' : 'nothing was read');
  const cursor = h('line', { class: 'cursor', y1: 0, y2: H, visibility: 'hidden' });
  const cut = Math.max(0, Math.ceil(Math.log10(50 / (high - low))));
  const grid = [high, (high + low) / 2, low].map((value) => h('g', null,
    h('line', { class: 'grid', x1: 0, x2: W, y1: y(value), y2: y(value), 'vector-effect': 'non-scaling-stroke' })));
  const svg = h('svg', { viewBox: '0 0 ' + W + ' ' + H, preserveAspectRatio: 'none', tabindex: 0, role: 'img', 'data-chart': name,
    'aria-label': name + ': ' + rows.length + ' values, from ' + number(low, point.decimals) + ' to ' +
      number(high, point.decimals) + units + '; arrow keys read them out' }, grid,
  h('path', { class: 'band', d: band || 'M0 0' }),
  h('path', { class: 'line', d: line || 'M0 0' }), cursor);
  let at = rows.length - 1;
  const tell = (index) => {
    if (!rows[index]) return;
    at = index;
    const row = rows[index];
    cursor.setAttribute('x1', x(row[0]));
    cursor.setAttribute('x2', x(row[0]));
    cursor.setAttribute('visibility', 'visible');
    readout.textContent = time(row[0]) + '  ' + number(row[1], point.decimals) + units + (row[4] > 1 ? '  (min ' +
      number(row[2], point.decimals) + ', max ' + number(row[3], point.decimals) + ', ' + row[4] + ' values)' : '');
  };
  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    const ms = from + (event.clientX - box.left) / box.width * (to - from) - step / 2;
    let best = 0;
    rows.forEach((row, index) => { if (Math.abs(row[0] - ms) < Math.abs(rows[best][0] - ms)) best = index; });
    tell(best);
  });
  svg.addEventListener('pointerleave', () => { cursor.setAttribute('visibility', 'hidden'); readout.textContent = ''; });
  svg.addEventListener('keydown', (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -rows.length, End: rows.length }[event.key];
    if (!move) return;
    event.preventDefault();
    tell(Math.min(rows.length - 1, Math.max(0, at + move)));
  });
  const heading = h('h3', null, name + (past.units ? ', ' + past.units : ''));
  const places = point.decimals === undefined ? Math.min(cut, 6) : point.decimals;
  const scale = 'from ' + number(low, places) + ' to ' + number(high, places) + units;
  return h('figure', { class: 'chart' }, h('div', { class: 'tools' }, heading, readout), svg,
    h('div', { class: 'tools quiet num ends' }, h('span', null, time(from)), h('span', null, scale), h('span', null, 'now')));
}
"""###
}
