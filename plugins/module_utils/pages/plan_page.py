# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A plan as one HTML page that needs nothing else: no script, no font, no picture, no network.

It reads the plan's JSON alone, so that ``plan.json`` and ``plan.html`` cannot say different things. Every part of the
plan is optional: a plan with errors makes a page too, with what stands against it first.
"""

from __future__ import annotations

from .markup import document, text
from .plan_alternatives import alternatives
from .plan_checks import commands, document_check, stack
from .plan_data import Data, listed
from .plan_headline import headline, title
from .plan_memory import memory
from .plan_performance import network, sensitivity, steps
from .plan_rates import rates
from .plan_serve import serve
from .plan_style import PLAN_CSS
from .plan_tables import arithmetic, findings, sizes

# Sections in the order of the page, with the names that lead to them.
_SECTIONS = (
    ("Memory", memory),
    ("Network speed", rates),
    ("Layouts", alternatives),
    ("Traffic", network),
    ("Time", steps),
    ("Sensitivity", sensitivity),
    ("Other sizes", sizes),
    ("Findings", findings),
    ("Document", document_check),
    ("Given commands", commands),
    ("Stack", stack),
    ("Hosts", serve),
    ("Arithmetic", arithmetic),
)


def render(plan: Data) -> str:
    """The page of a plan as its ``as_dict`` gives it."""
    wrong = any(item.get("severity") == "error" for item in listed(plan, "findings"))
    # What forbids a plan is what its reader came for.
    order = sorted(_SECTIONS, key=lambda section: section[1] is not findings) if wrong else _SECTIONS
    made = [(name, section(plan)) for name, section in order]
    shown = [(name, body) for name, body in made if body]
    links = "".join(f'<a href="#{_anchor(body)}">{text(name)}</a>' for name, body in shown)
    nav = f'<nav aria-label="Sections">{links}</nav>' if links else ""
    return document(title(plan), headline(plan) + nav + "".join(body for unused, body in shown), PLAN_CSS)


def _anchor(body: str) -> str:
    """The section's own id, which is the first of its text."""
    return body.split('id="', 1)[1].split('"', 1)[0]
