# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The style sheet of the report, after the one that all pages share.

The steps of a heat map are one hue from pale to full, which is a scale of lightness too.
"""

from __future__ import annotations

REPORT_CSS = """
:root { --range: #b7d3e4; --mine: #1f5f8b; --grid: #e6e9ee; --hatch: #aab4c0; --measured: #b4560f;
  --h0: #eaf2f8; --h1: #c6dcec; --h2: #94bfdc; --h3: #2f74a6; --h4: #123f66; --on0: #1b2430; --on1: #ffffff; }
@media screen and (prefers-color-scheme: dark) { :root { --range: #2f556d; --mine: #7cc0ea; --grid: #262f3a;
  --hatch: #4a5666; --measured: #f2a35e;
  --h0: #17242f; --h1: #1f3f57; --h2: #2c628a; --h3: #5c9fcf; --h4: #b5dbf7; --on0: #e6eaf0; --on1: #0d1218; } }
h3 { font-size: 15px; margin: 24px 0 8px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; border-top: 1px solid var(--line);
  border-bottom: 1px solid var(--line); padding: 8px 0; margin: 24px 0 0; }
nav a, p a { color: var(--mine); } nav a { text-decoration: none; font-size: 14px; }
nav a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--mine); outline-offset: 2px; }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.chip, .heat td { position: relative; }
.not-applicable { color: var(--soft); }
code { font-size: 13px; overflow-wrap: anywhere; }
code.copy { display: block; user-select: all; -webkit-user-select: all; background: var(--raised); border-radius: 4px;
  padding: 3px 8px; margin: 2px 0; }
.trouble dl { grid-template-columns: 96px 1fr; } .trouble h3 { margin: 0 0 6px; overflow-wrap: anywhere; }
.trouble details { margin: 8px 0 0; } .trouble pre { max-height: 420px; overflow-y: auto; margin: 6px 0; }
pre { tab-size: 8; } .read { display: flex; flex-wrap: wrap; gap: 0 24px; } .read > [open], .read > :has([open]) {
  flex-basis: 100%; min-width: 0; } .read details { margin: 4px 0; }
.overview { list-style: none; display: grid; gap: 8px 12px;
  grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); padding: 0; margin: 20px 0 0; }
.overview a { display: block; text-decoration: none; color: var(--text); background: var(--raised); border-radius: 6px;
  border-left: 4px solid var(--line); padding: 6px 12px; height: 100%; font-size: 14px; }
.overview a:hover strong { text-decoration: underline; } .overview small { color: var(--soft); font-size: 12.5px;
  display: block; }
.overview a.fail { border-left-color: var(--fail); } .overview a.unknown { border-left-color: var(--unknown); }
.overview a.warn { border-left-color: var(--warn); } .overview a.pass { border-left-color: var(--pass); }
.maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 470px), 1fr)); gap: 28px 36px; }
.maps.many { grid-template-columns: 1fr; }
figure.map { margin: 0; min-width: 0; }
.heat { border-collapse: separate; border-spacing: 3px; table-layout: fixed; min-width: 340px; }
.heat caption { text-align: left; font-weight: 600; font-size: 14px; padding: 0 3px 6px; }
.heat caption .soft { font-weight: 400; }
.heat th, .heat td { border: 0; text-align: center; vertical-align: middle; padding: 6px 4px; }
.heat th { font-size: 13px; overflow-wrap: anywhere; } .heat th[scope=row] { text-align: right; padding-right: 8px; }
.heat .corner { font-weight: 400; font-size: 12px; text-align: right; padding-right: 8px; }
.heat td { height: 40px; border-radius: 3px; font-size: 14px; font-variant-numeric: tabular-nums; }
.many .heat td { height: 30px; font-size: 12px; padding: 2px; } .many .heat { border-spacing: 2px; }
.h0 { background: var(--h0); color: var(--on0); } .h1 { background: var(--h1); color: var(--on0); }
.h2 { background: var(--h2); color: var(--on0); } .h3 { background: var(--h3); color: var(--on1); }
.h4 { background: var(--h4); color: var(--on1); }
.heat td.h0, .heat td.h1, .heat td.h2 { color: var(--on0); } .heat td.h3, .heat td.h4 { color: var(--on1); }
.heat td.fail { outline: 3px solid var(--fail); outline-offset: -1px; font-weight: 700; }
.heat td.warn { outline: 3px dashed var(--warn); outline-offset: -1px; font-weight: 700; }
.heat td.self { color: var(--soft); }
.missing { background: repeating-linear-gradient(135deg, var(--raised) 0 5px, var(--hatch) 5px 6.5px);
  color: var(--text); }
.heat td.missing > span { background: var(--ground); border-radius: 3px; padding: 0 5px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 12px; font-size: 13px; color: var(--soft); margin-top: 8px;
  padding-left: 3px; }
.legend span { display: inline-flex; align-items: center; gap: 5px; white-space: nowrap; }
.legend i { display: inline-block; width: 20px; height: 14px; border-radius: 2px;
  font-style: normal; font-size: 11px; line-height: 14px; text-align: center; font-weight: 700; }
h4 { font-size: 14px; margin: 12px 0 4px; } .trouble .wide { margin-top: 8px; }
table.many td { overflow-wrap: anywhere; } table.many td:first-child { white-space: nowrap; }
table.many td:nth-child(2) { min-width: 120px; }
.legend i.key.fail { outline: 2px solid var(--fail); color: var(--fail); }
.legend i.key.warn { outline: 2px dashed var(--warn); color: var(--warn); }
svg.strip { display: block; overflow: visible; } .track { stroke: var(--grid); stroke-width: 1; }
.range { fill: var(--range); } .likely { stroke: var(--mine); stroke-width: 3; }
.measured { fill: var(--measured); stroke: var(--ground); stroke-width: 1.5; }
table.predicted td:nth-child(2) { width: 32%; } table.predicted td { vertical-align: middle; }
table.predicted td:nth-child(6) { white-space: nowrap; } td svg.strip { min-width: 130px; }
svg.spark { display: block; } svg.spark polyline { fill: none; stroke: var(--bar); stroke-width: 2; }
svg.spark circle { fill: var(--mine); } table.changes td, table.series td { vertical-align: middle; }
table.changes td:first-child, table.turns td:first-child { white-space: nowrap; }
ol.runs { list-style: none; display: flex; flex-wrap: wrap; gap: 3px; padding: 0; margin: 0 0 10px; }
ul.plain { padding-left: 20px; } ul.plain li { margin: 0 0 8px; }
.section-name { color: var(--text); display: inline-block; }
.section-name::first-letter { text-transform: uppercase; }
summary { padding: 2px 0; }
table.conditions td:first-child { width: 26%; } table.conditions td { overflow-wrap: anywhere; }
section > .soft, .charts + .soft { font-size: 13.5px; margin-top: 10px; }
svg.bars { max-width: 600px; } svg .bar-sign { fill: var(--fail); font-weight: 700; }
@media (max-width: 520px) { .trouble dl { grid-template-columns: 1fr; } .trouble dd { margin: 0 0 6px; }
  .heat { min-width: 0; } .heat th, .heat td { padding: 4px 1px; font-size: 12px; }
  .overview { grid-template-columns: 1fr 1fr; } .predicted thead { display: none; }
  .predicted tr { display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; padding: 10px 0;
    border-bottom: 1px solid var(--line); }
  .predicted td { border: 0; padding: 0; } .predicted td:nth-child(1), .predicted td:nth-child(2) {
    grid-column: 1 / -1; width: auto !important; } .predicted td.number { text-align: left; }
  .predicted td:nth-child(4)::before { content: "measured "; color: var(--soft); } }
@media print { nav { display: none; } .maps { grid-template-columns: 1fr 1fr; gap: 14px 18px; }
  .maps.many { grid-template-columns: 1fr; } figure.map, table.predicted tr { break-inside: avoid; }
  .heat { min-width: 0; border-spacing: 2px; } .heat th, .heat td { font-size: 9.5px; padding: 2px 1px; height: 24px; }
  .heat caption { font-size: 10.5px; } .legend { font-size: 9px; gap: 2px 10px; } .heat .corner { font-size: 8px; }
  .legend i { width: 12px; height: 10px; font-size: 8px; line-height: 10px; }
  .heat td, .legend i, .missing, .chip, code.copy, .range, .measured { print-color-adjust: exact;
    -webkit-print-color-adjust: exact; }
  h3 { break-after: avoid; font-size: 12.5px; margin-top: 12px; } summary { break-after: avoid; }
  .soft, section > .soft, .charts + .soft { font-size: 10.5px; } .raw, .read { display: none; }
  .overview { grid-template-columns: repeat(4, 1fr); gap: 5px; margin-top: 10px; } .overview a { font-size: 10.5px;
    padding: 3px 8px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .facts { grid-template-columns: repeat(6, 1fr); gap: 5px; } .facts div { padding: 5px 8px; font-size: 10.5px; }
  .facts dt { font-size: 9px; } .trouble h3 { font-size: 12.5px; } #hosts th { font-size: 8.5px; }
  #hosts th, #hosts td { padding: 3px 2px; } .ranks .chip { min-width: 24px; padding: 0 2px; }
  .overview small { font-size: 9px; } h2 { font-size: 15px; } h1 { font-size: 19px; }
  code { font-size: 10px; } .trouble { padding: 7px 12px; }
  .banner { padding: 8px 14px; } .banner strong { font-size: 20px; } td svg.strip { min-width: 90px; }
  section { break-inside: auto; } }
"""
