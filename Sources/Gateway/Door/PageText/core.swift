// Written by board/setup/embed-page from Page/core.js: change that file.
// swift-format-ignore-file

extension PageText {
    static let core = ###"""
'use strict';
// Everything that the views share: the state, small helpers, and figures as people read them.
const S = { overview: null, ports: {}, devices: {}, site: null, log: [], live: false, away: null, heard: 0, load: {}, spark: {} };
const $ = (id) => document.getElementById(id);

/** An element: h('td', {class: 'n'}, 'text', child). */
function h(name, attributes, ...children) {
  const isSVG = ['svg', 'path', 'rect', 'line', 'text', 'g', 'title'].includes(name);
  const node = isSVG ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
  for (const key in attributes || {}) {
    const value = attributes[key];
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(key, value === true ? '' : value);
  }
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) node.append(child);
  return node;
}

/** Replaces the content of an element only if it differs: a reader is told only what is new. */
function put(node, ...children) {
  const next = h('div', null, ...children);
  if (node.innerHTML !== next.innerHTML) node.replaceChildren(...next.childNodes);
}

/** Thin spaces in thousands; as many decimals as given, or as many as a value of that size deserves. */
function number(value, decimals) {
  if (typeof value !== 'number') return String(value);
  let places = decimals;
  if (places === undefined || places === null) {
    const size = Math.abs(value);
    places = Number.isInteger(value) ? 0 : size >= 1000 ? 1 : size >= 10 ? 2 : 3;
    if (size !== 0 && (size < 0.001 || size >= 1e12)) return value.toPrecision(4);
  }
  const parts = value.toFixed(places).split('.');
  parts[0] = parts[0].replace(/\B(?=(\d{3})+$)/g, '\u2009');
  return parts.join('.');
}

function show(value, decimals) {
  if (value === null || value === undefined) return '–';
  if (value === true) return 'on';
  if (value === false) return 'off';
  if (typeof value === 'object') return Object.entries(value).map(([key, part]) => key + ' ' + show(part)).join(', ');
  return number(value, decimals);
}

function duration(seconds) {
  const s = Math.max(0, seconds);
  if (s < 10) return s.toFixed(1) + ' s';
  if (s < 100) return Math.round(s) + ' s';
  if (s < 5400) return Math.round(s / 60) + ' min';
  if (s < 86400) return Math.floor(s / 3600) + ' h ' + Math.floor(s % 3600 / 60) + ' min';
  return Math.floor(s / 86400) + ' d ' + Math.floor(s % 86400 / 3600) + ' h';
}

function milliseconds(seconds) {
  const ms = seconds * 1000;
  return (ms < 10 ? ms.toFixed(1) : Math.round(ms)) + ' ms';
}

function time(when, withDay) {
  const date = new Date(when);
  const isToday = date.toDateString() === new Date().toDateString();
  const clock = date.toLocaleTimeString(undefined, { hour12: false });
  return isToday && !withDay ? clock : date.toLocaleDateString() + ' ' + clock;
}

const bytes = (count) => count < 1024 ? count + ' B' : count < 1048576 ? (count / 1024).toFixed(1) + ' KiB' :
  (count / 1048576).toFixed(1) + ' MiB';
const plural = (count, word) => number(count) + ' ' + word + (count === 1 ? '' : 's');

/** Shape, colour and word: never colour alone. */
const SIGNS = { online: ['●', 'good'], degraded: ['◐', 'warn'], offline: ['○', 'alarm'] };
function state(word) {
  const [sign, tone] = SIGNS[word] || ['·', 'quiet'];
  return h('span', { class: tone }, h('span', { 'aria-hidden': 'true' }, sign + ' '), word || 'unknown');
}

/** Age of a value now: what the gateway said, and how long ago that was. */
const ageOf = (device, value) => value[1] === null ? null : value[1] + (performance.now() - device.at) / 1000;

async function get(path) {
  const reply = await fetch(path);
  if (reply.status === 401) location.reload();
  const document = await reply.json();
  if (!reply.ok) throw new Error(document.error || reply.status);
  return document;
}

async function act(request) {
  const reply = await fetch('/api/v1/actions', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(request) });
  const document = await reply.json();
  if (!reply.ok) throw new Error(document.error);
  return document;
}

/** Runs an action and shows its outcome in a live region. */
async function perform(outcome, words, request, then) {
  outcome.className = 'outcome quiet';
  outcome.textContent = words + ' …';
  try {
    const answer = await act(request);
    outcome.className = 'outcome good';
    outcome.textContent = words + ': done';
    if (then) then(answer);
  } catch (error) {
    outcome.className = 'outcome alarm';
    outcome.textContent = words + ' failed: ' + error.message;
  }
}

function save(name, parts, type) {
  const link = h('a', { href: URL.createObjectURL(new Blob(parts, { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Asks before something is written. */
function confirmed(words) {
  return new Promise((resolve) => {
    const box = h('dialog', { 'aria-label': 'Confirm' }, h('p', null, words), h('form', { method: 'dialog', class: 'tools' },
      h('button', { value: 'yes' }, 'Yes, write'), h('button', { value: 'no', autofocus: true }, 'Cancel')));
    box.addEventListener('close', () => { box.remove(); resolve(box.returnValue === 'yes'); });
    document.body.append(box);
    box.showModal();
  });
}

/** A small line; gaps are gaps. */
function sparkline(values, label) {
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known), high = Math.max(...known), span = high - low || 1;
  let path = '', isOpen = false;
  values.forEach((value, index) => {
    if (value === null) { isOpen = false; return; }
    path += (isOpen ? 'L' : 'M') + index + ' ' + (high === low ? 8 : 15 - (value - low) / span * 14).toFixed(1);
    isOpen = true;
  });
  return h('svg', { class: 'spark', viewBox: '0 0 ' + Math.max(1, values.length - 1) + ' 16', preserveAspectRatio: 'none',
    role: 'img', 'aria-label': label }, h('path', { d: path || 'M0 0' }));
}
"""###
}
