// Written by board/setup/embed-page from Page/page.css: change that file.
// swift-format-ignore-file

extension PageText {
    static let style = ###"""
:root {
  color-scheme: light dark;
  --ground: #fff; --ink: #16191d; --quiet: #59626e; --rule: #d5dae0; --wash: #f3f5f7;
  --accent: #0b5cad; --warn: #8a5300; --alarm: #b3261e; --good: #1d6b3a; --late: #c77700;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --ink: #e6e9ec; --quiet: #9aa4af; --rule: #333a42; --wash: #1d2227;
    --accent: #7ab8f5; --warn: #f0b45a; --alarm: #ff8a80; --good: #6fcf97; --late: #f0b45a;
  }
}
* { box-sizing: border-box; }
html { background: var(--ground); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 76rem; padding: 0 1rem 3rem; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
[hidden] { display: none !important; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--ground); padding: .3rem .6rem; }
.quiet, small, th, caption, .unit { color: var(--quiet); }
.unit { margin-left: .3em; }
.num, td.n, th.n { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
code, .mono { font: 13px/1.4 ui-monospace, monospace; }
h1, h2, h3 { font-size: 15px; margin: 0; }
h2 { margin: 1.6rem 0 .4rem; }
header { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; align-items: baseline; padding: .9rem 0 .6rem;
  border-bottom: 1px solid var(--rule); }
header h1 { font-size: 20px; }
header h1 a { color: inherit; }
header nav { display: flex; gap: 1rem; }
header nav a[aria-current] { color: inherit; font-weight: 600; }
#state { margin: 0 0 0 auto; color: var(--quiet); font-variant-numeric: tabular-nums; }
#state b { color: var(--good); font-weight: 600; }
@media (prefers-reduced-motion: no-preference) { #state b i { animation: pulse 2s infinite; } }
#state i { font-style: normal; }
@keyframes pulse { 50% { opacity: .35; } }
#away { margin: .6rem 0; padding: .5rem .8rem; border-left: 4px solid var(--alarm); background: var(--wash); }
.stale .num, .stale td.n, .stale .val { color: var(--quiet); }
.problems { list-style: none; margin: 0; padding: 0; }
.problems li { padding: .35rem 0 .35rem 1.5rem; border-bottom: 1px solid var(--rule); position: relative;
  overflow-wrap: anywhere; }
.problems li:last-child { border: 0; }
.problems .sign { position: absolute; left: 0; }
.critical .sign, .alarm { color: var(--alarm); }
.warning .sign, .warn { color: var(--warn); }
.good { color: var(--good); }
.facts { margin-top: .8rem; display: grid;
  grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: .4rem 2rem; margin-bottom: 0; }
.facts div { border-top: 1px solid var(--rule); padding: .4rem 0; }
.facts dt { color: var(--quiet); }
.facts dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
th { font-weight: 400; text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--rule); vertical-align: baseline; }
td:last-child, th:last-child { padding-right: 0; }
td.who { white-space: nowrap; }
caption { text-align: left; }
td .val { display: inline-block; margin-right: 1.1em; white-space: nowrap; }
.val b { font-weight: 600; font-variant-numeric: tabular-nums; }
s { color: var(--quiet); font-size: 13px; }
.tools { display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: center; margin: .4rem 0; }
.tools label { display: inline-flex; gap: .4rem; align-items: center; }
input, select, button { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--quiet);
  border-radius: 3px; padding: .25rem .5rem; max-width: 100%; }
input[type=checkbox] { accent-color: var(--accent); }
button { cursor: pointer; border-color: var(--accent); color: var(--accent); }
button:disabled { border-color: var(--rule); color: var(--quiet); cursor: default; }
meter { width: 8rem; height: .8rem; vertical-align: -1px; }
svg { display: block; }
svg.use { width: 100%; height: .8rem; background: var(--wash); border: 1px solid var(--rule); }
.key { margin-right: 1.2em; white-space: nowrap; }
.key i { display: inline-block; width: .7em; height: .7em; margin-right: .35em;
  border: 1px solid var(--quiet); background: var(--wash); }
.u-polls { color: var(--accent); }
.u-retries { color: var(--late); }
.u-silent { color: var(--ink); }
.u-commands { color: var(--good); }
.u-checks { color: var(--quiet); }
.u-others { color: var(--alarm); }
.use rect { fill: currentColor; }
.key [class]:not(.u-free) { background: currentColor; }
svg.spark { width: 7rem; height: 1.3rem; }
.spark path { fill: none; stroke: var(--accent); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.spark rect { fill: var(--alarm); }
.strip { width: 100%; min-width: 12rem; height: 1rem; }
.strip rect { fill: var(--rule); }
.strip .c1 { fill: var(--good); opacity: .55; }
.strip .c2 { fill: var(--late); }
.strip .c3 { fill: var(--alarm); }
.strip .c4 { fill: var(--ink); }
svg.bars { display: inline-block; vertical-align: -2px; margin-left: .6em; }
.bars rect { fill: var(--accent); }
.chart { position: relative; margin: .5rem 0 1.1rem; }
.chart svg { width: 100%; height: 150px; overflow: visible; touch-action: pan-y; }
.chart h3 { font-weight: 600; }
.chart .grid { stroke: var(--rule); stroke-width: 1; }
.chart .line { fill: none; stroke: var(--accent); stroke-width: 1.6; vector-effect: non-scaling-stroke; }
.chart .band { fill: var(--accent); opacity: .18; }
.chart .cursor { stroke: var(--quiet); stroke-dasharray: 3 3; }
.ends { justify-content: space-between; margin: 0; }
.chart text { fill: var(--quiet); font-size: 12px; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
.frames td, .log td { font: 13px/1.35 ui-monospace, monospace; padding: .12rem .8rem .12rem 0; border: 0; white-space: nowrap; }
.log { max-height: 70vh; overflow: auto; border: 1px solid var(--rule); padding: .3rem .6rem; }
.log td:last-child { white-space: normal; overflow-wrap: anywhere; }
dialog { background: var(--ground); color: var(--ink); border: 1px solid var(--quiet); border-radius: 4px; max-width: 26rem; }
dialog::backdrop { background: rgb(0 0 0 / .4); }
.outcome:empty { display: none; }
footer { margin-top: 2rem; color: var(--quiet); }
kbd { font: 13px ui-monospace, monospace; border: 1px solid var(--rule); border-radius: 3px; padding: 0 .3em; }
@media (pointer: coarse) { #keys { display: none; } }
@media (max-width: 44rem) {
  #state { margin-left: 0; width: 100%; }
  .cards thead { position: absolute; left: -99rem; }
  .cards tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--rule); }
  .cards td { display: flex; justify-content: space-between; gap: 0 1rem; border: 0; padding: .12rem 0; text-align: right;
    flex-wrap: wrap; }
  .cards td::before { content: attr(data-l); color: var(--quiet); text-align: left; }
  .cards td.who { white-space: normal; font-weight: 600; justify-content: flex-start; text-align: left; }
  .cards td.who::before, .cards td:empty { display: none; }
  .cards td > span { margin-left: auto; }
  td .val { margin: 0 0 0 .9em; }
  .strip { min-width: 0; }
}
"""###
}
