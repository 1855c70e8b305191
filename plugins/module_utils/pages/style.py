# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The style sheet that all pages share. Verdicts differ in sign and word as well as in colour, for every pair of eyes.

Dark colours are for screens only, so that a page prints in dark on white wherever it is printed from.
"""

from __future__ import annotations

CSS = """
:root { color-scheme: light; --ground: #ffffff; --raised: #f5f6f8; --line: #d9dde3; --text: #1b2430; --soft: #586374;
  --pass: #00695c; --pass-ground: #e0f2ef; --warn: #8a5a00; --warn-ground: #fdf1d8;
  --unknown: #5b4a9e; --unknown-ground: #ece9f8; --fail: #b3261e; --fail-ground: #fde8e6; --bar: #3d7ea6; }
@media screen and (prefers-color-scheme: dark) { :root { color-scheme: dark;
  --ground: #12171e; --raised: #1b222c; --line: #333d4a; --text: #e6eaf0; --soft: #9aa7b8;
  --pass: #5fd0bd; --pass-ground: #12352f; --warn: #f0be5a; --warn-ground: #3a2d10;
  --unknown: #b6a8f0; --unknown-ground: #2a2448; --fail: #ff8f85; --fail-ground: #451c19; --bar: #6fb2db; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 40px 0 12px; } p { margin: 0 0 12px; }
.soft { color: var(--soft); }
.banner { display: flex; align-items: center; gap: 4px 18px; border-left: 8px solid; border-radius: 6px;
  padding: 16px 20px; margin: 16px 0; }
.banner strong { font-size: 30px; line-height: 1.25; letter-spacing: .02em; }
.pass { color: var(--pass); } .warn { color: var(--warn); } .unknown { color: var(--unknown); }
.fail { color: var(--fail); }
.banner.pass, .chip.pass { background: var(--pass-ground); }
.banner.warn, .chip.warn { background: var(--warn-ground); }
.banner.unknown, .chip.unknown { background: var(--unknown-ground); }
.banner.fail, .chip.fail { background: var(--fail-ground); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 0; padding: 0; }
.facts div { background: var(--raised); border-radius: 6px; padding: 10px 14px; }
.facts dt { color: var(--soft); font-size: 13px; } .facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: 7px 10px; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; font-size: 13px; vertical-align: bottom; }
td.mark { white-space: nowrap; } td.text { overflow-wrap: anywhere; min-width: 140px; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
#hosts th, #hosts td { padding: 7px 6px; } td.ranks { min-width: 170px; }
.chip { display: inline-block; min-width: 30px; text-align: center; border-radius: 4px; padding: 1px 5px; margin: 1px;
  font-variant-numeric: tabular-nums; font-size: 13px; font-weight: 600; white-space: nowrap; }
.trouble { border: 1px solid var(--line); border-left: 6px solid; border-radius: 6px; padding: 12px 16px;
  margin: 0 0 12px; }
.trouble h3 { margin: 0 0 6px; font-size: 16px; } .trouble.fail { border-left-color: var(--fail); }
.trouble.unknown { border-left-color: var(--unknown); } .trouble.warn { border-left-color: var(--warn); }
.trouble > * { color: var(--text); }
.trouble h3 .fail { color: var(--fail); } .trouble h3 .warn { color: var(--warn); }
.trouble h3 .unknown { color: var(--unknown); }
.trouble dl { display: grid; grid-template-columns: 84px 1fr; gap: 2px 12px; margin: 0; }
.trouble dt { color: var(--soft); } .trouble dd { margin: 0; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 20px 32px;
  margin-top: 16px; }
svg.bars { width: 100%; height: auto; } svg text { fill: var(--text); font-size: 13px; }
svg .bar-title { font-weight: 600; font-size: 14px; }
svg .bar-label, svg .bar-value { font-variant-numeric: tabular-nums; }
svg .bar-good { fill: var(--bar); } svg .bar-over { fill: var(--fail); }
svg .bar-limit { stroke: var(--text); stroke-width: 2.5; }
details { margin: 12px 0; } summary { cursor: pointer; color: var(--soft); }
pre { background: var(--raised); border-radius: 6px; padding: 12px; overflow-x: auto; font-size: 13px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 520px) { .banner { flex-direction: column; align-items: start; }
  .banner strong { font-size: 24px; } .facts { grid-template-columns: repeat(2, 1fr); gap: 8px; } }
@media print { @page { size: A4; margin: 14mm; } body { font-size: 12px; }
  main { max-width: none; padding: 0; } h2 { break-after: avoid; margin-top: 24px; }
  .trouble, .banner, tr, svg, .facts { break-inside: avoid; } thead { display: table-header-group; }
  .wide { overflow: visible; } table { font-size: 10.5px; } th { font-size: 10px; } th, td { padding: 3px 5px; }
  #hosts th, #hosts td { padding: 3px; } td.text { min-width: 0; } td.ranks { min-width: 120px; }
  .chip { font-size: 9px; } .charts { grid-template-columns: 1fr 1fr; }
  details.printed::details-content { content-visibility: visible; height: auto; }
  details.printed summary { list-style: none; }
  .chip, .banner, .facts div, pre, svg, svg * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
