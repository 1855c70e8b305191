# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The style sheet of a plan's page, after the one that all pages share."""

from __future__ import annotations

PLAN_CSS = """
:root { --range: #b7d3e4; --mine: #1f5f8b; --best: #b4560f; --pale: #c3ccd6; --grid: #e6e9ee; --on: #ffffff;
  --w0: #1f5f8b; --w1: #3d7ea6; --w2: #2a6f73; --w3: #5b7f95; --kv: #7a5195; --oh: #b0761a; --maybe: #e3c48d;
  --room: #e0f2ef; }
@media screen and (prefers-color-scheme: dark) { :root { --range: #2f556d; --mine: #7cc0ea; --best: #f2a35e;
  --pale: #465261; --grid: #262f3a; --on: #0d1218; --w0: #7cc0ea; --w1: #5ea3c9; --w2: #63b5b5; --w3: #93b3c6;
  --kv: #c39bdc; --oh: #e0ad58; --maybe: #5f4a24; --room: #12352f; } }
.banner strong { font-size: 26px; }
@media (min-width: 900px) { .banner strong { flex-shrink: 0; } }
h3 { font-size: 15px; margin: 24px 0 8px; }
.subtitle { color: var(--soft); margin: 0; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px; margin: 0 0 20px; }
.tile { background: var(--raised); border-radius: 6px; padding: 12px 14px; min-width: 0; }
.tile h3 { margin: 0; font-size: 13px; font-weight: 400; color: var(--soft); }
.tile p { margin: 0; } .big { font-size: 27px; font-weight: 650; line-height: 1.3; font-variant-numeric:
  tabular-nums; }
.big small { font-size: 14px; font-weight: 400; color: var(--soft); }
.note { font-size: 12.5px; line-height: 1.4; color: var(--soft); overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; border-top: 1px solid var(--line);
  border-bottom: 1px solid var(--line); padding: 8px 0; margin: 28px 0 0; }
nav a { color: var(--mine); text-decoration: none; font-size: 14px; } nav a:hover { text-decoration: underline; }
.below { margin-top: 16px; } .below + .soft, .charts + .soft, .wide + .soft { margin-top: 10px; font-size: 13.5px; }
.tag { display: inline-block; border: 1px solid var(--line); border-radius: 4px; padding: 0 5px; font-size: 12px;
  color: var(--soft); } .front { color: var(--best); }
.chip.plain { background: var(--raised); font-weight: 400; }
.notes { color: var(--soft); font-size: 13.5px; margin: 8px 0 0; padding-left: 20px; }
code { font-size: 13px; overflow-wrap: anywhere; } .copy, .select { user-select: all; -webkit-user-select: all; }
svg.strip { display: block; overflow: visible; } td svg.strip { min-width: 150px; }
.track { stroke: var(--grid); stroke-width: 1; } .range { fill: var(--range); } .pale { fill: var(--pale); }
.room { fill: var(--room); } .beyond { fill: none; stroke: var(--line); stroke-dasharray: 3 3; } .likely { stroke:
  var(--mine); stroke-width: 3; }
.bound { stroke: var(--soft); stroke-width: 1; } .zero, .device { stroke: var(--soft); stroke-width: 1; }
.less { fill: var(--pale); } .more { fill: var(--bar); } svg .bar-limit { stroke: var(--text); }
svg .axis { fill: var(--soft); font-size: 12px; } svg .on { fill: var(--on); font-weight: 700; }
.piece { stroke: var(--ground); stroke-width: 1; } .w0 { fill: var(--w0); } .w1 { fill: var(--w1); }
.w2 { fill: var(--w2); } .w3 { fill: var(--w3); } .kv { fill: var(--kv); } .oh { fill: var(--oh); }
.maybe { fill: var(--maybe); } .whisker { stroke: var(--oh); stroke-width: 2; } .whisker-dot { fill: var(--oh); }
.key { display: inline-block; width: 20px; height: 20px; line-height: 20px; border-radius: 3px; text-align: center;
  font-size: 12px; font-weight: 700; color: var(--on); margin-right: 6px; }
.key.w0 { background: var(--w0); } .key.w1 { background: var(--w1); } .key.w2 { background: var(--w2); }
.key.w3 { background: var(--w3); } .key.kv { background: var(--kv); } .key.oh { background: var(--oh); }
.key.maybe { background: var(--maybe); color: var(--text); }
.key.room { background: var(--room); vertical-align: middle; }
figure.rows { margin: 0; min-width: 0; } figcaption { font-weight: 600; font-size: 14px; margin-bottom: 6px; }
.rows .grid { display: grid; grid-template-columns: fit-content(46%) minmax(80px, 1fr) max-content; gap: 4px 12px;
  align-items: center; font-size: 13.5px; }
.rows .row { display: contents; } .rows .value { text-align: right; font-variant-numeric: tabular-nums; }
.plot { display: grid; grid-template-columns: 48px minmax(0, 1fr); margin: 8px 0 12px; }
.plot svg { display: block; } .plot svg text { font-size: 12px; fill: var(--soft); }
.plot .axes { grid-column: 2; margin: 0; color: var(--soft); font-size: 12.5px; }
.gridline { stroke: var(--grid); stroke-width: 1; }
.curve { fill: none; stroke: var(--pale); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.curve.mine { stroke: var(--mine); stroke-width: 3; }
.curve.best { stroke: var(--best); stroke-width: 2.5; stroke-dasharray: 7 4; }
.own { stroke: var(--text); stroke-width: 1; } .cross { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; }
.plot svg .remark { fill: var(--text); } .plot svg .dot-label { fill: var(--text); font-weight: 600;
  paint-order: stroke; stroke: var(--ground); stroke-width: 3px; stroke-linejoin: round; }
circle.dot { fill: var(--pale); stroke: var(--ground); stroke-width: 1.5; } circle.dot.mine { fill: var(--mine); }
circle.dot.best { fill: var(--best); } circle.dot.cross { fill: var(--ground); stroke: var(--text); }
.swatch { vertical-align: middle; margin-right: 6px; }
table.objectives td:nth-child(3) { width: 34%; } table.layouts td:nth-child(3) { width: 24%; }
table.layouts td:nth-child(2), table.cases td:nth-child(3) { min-width: 150px; }
table.layouts td:nth-child(4), table.layouts td:nth-child(9), .cases td:nth-child(5) { white-space: nowrap; }
table.layouts th, table.layouts td, table.cases th, table.cases td { padding-left: 7px; padding-right: 7px; }
  table.cases td:first-child { min-width: 170px; }
table.cases td:nth-child(8) { width: 16%; } table.cases td svg.strip { min-width: 90px; }
table.claims td, table.how td:last-child, table.reasons td:last-child { overflow-wrap: anywhere; min-width: 90px; }
table.claims td:first-child { white-space: nowrap; } table.claims td.number { white-space: normal; min-width: 96px; }
section > .soft, div > .soft { font-size: 13.5px; } sup { line-height: 0; }
table.rates td:first-child { min-width: 190px; }
#document details { margin: 5px 0; } #document figure { max-width: 620px; margin-bottom: 14px; }
.verdict.pass { fill: var(--pass); } .verdict.fail { fill: var(--fail); } .verdict.unknown { fill: var(--unknown);
  } table.legend { font-size: 13.5px; }
.trouble p { margin: 0 0 6px; overflow-wrap: anywhere; } .trouble h3 { font-size: 14px; }
.trouble h3 code { color: var(--soft); font-weight: 400; }
@media (max-width: 520px) { .banner strong { font-size: 22px; } .tiles { grid-template-columns: 1fr 1fr; gap: 8px;
  } .big { font-size: 22px; }
  .rows .grid { display: block; } .rows .row { display: grid; grid-template-columns: 1fr auto; gap: 0 12px;
  margin-bottom: 8px; } .rows .row .strip { grid-column: 1 / -1; grid-row: 2; } .wide-only { display: none; }
  .objectives thead { display: none; } .objectives tr { display: grid; grid-template-columns: 1fr auto; gap: 2px 12px;
  padding: 10px 0; border-bottom: 1px solid var(--line); } .objectives td { border: 0; padding: 0; }
  .objectives td:nth-child(3) { grid-row: 3; grid-column: 1 / -1; width: auto !important; }
  .objectives td:nth-child(5) { grid-row: 1; grid-column: 2; } }
@media print { nav { display: none; } .tiles { grid-template-columns: repeat(5, 1fr); gap: 6px; }
  .tile { break-inside: avoid; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .tile { padding: 8px; } .tile h3 { font-size: 10px; } .big { font-size: 17px; } .big small { font-size: 10px; }
  .note { font-size: 9px; } .charts { break-inside: avoid; } .banner { padding: 8px 14px; }
  .banner strong { font-size: 17px; }
  .notes, .soft, main .soft.soft { font-size: 10.5px; } summary { break-after: avoid; } .key, .tag {
  print-color-adjust: exact;
  -webkit-print-color-adjust: exact; } figure.rows, .plot { break-inside: avoid; } .rows .grid { font-size: 11px; }
  td svg.strip { min-width: 90px; } h3 { break-after: avoid; font-size: 12.5px; margin-top: 14px; }
  pre { font-size: 10px; break-inside: avoid; } .plot svg text { font-size: 10.5px; } code { font-size: 10px; } }
"""
