# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Pieces of HTML that pages share. What a page shows comes from outside, so every value passes through :func:`text`."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from .style import CSS

# A verdict's sign, which stands beside its colour.
SIGNS = {"pass": "✓", "warn": "!", "unknown": "?", "fail": "✗", "not applicable": "\u2013"}

# Content-Security-Policy: even a slip could not make a page ask the network for anything, or run a script.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def document(title: str, body: str, css: str = "") -> str:
    """A whole page; ``css`` follows the sheet that all pages share."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{text(title)}</title><style>{CSS}{css}</style></head><body><main>{body}</main></body></html>\n"
    )


def text(value: object) -> str:
    """Any value as text that is safe in an element and in a quoted attribute."""
    return html.escape(str(value))


def mark(verdict: str, word: str | None = None) -> str:
    """A verdict's sign, and the word for it; an empty one leaves the sign alone."""
    shown = verdict if word is None else word
    words = f"{SIGNS[verdict]} {shown}".strip()
    kind = verdict.replace(" ", "-")
    return f'<span class="{kind}" title="{text(shown or verdict)}">{text(words)}</span>'


def banner(verdict: str, words: str, more: str) -> str:
    """The verdict of the page and a sentence beside it."""
    return (
        f'<div class="banner {verdict}"><strong>{SIGNS[verdict]} {text(words)}</strong><span>{text(more)}</span></div>'
    )


def facts(entries: Iterable[tuple[str, object]]) -> str:
    """Named values as tiles."""
    tiles = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in entries)
    return f'<dl class="facts">{tiles}</dl>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table in a box of its own that scrolls; heads and cells are HTML. Heads with ``>`` first are of numbers."""
    numbers = [head.startswith(">") for head in heads]
    top = "".join(f"<th{_right(right)}>{head.lstrip('>')}</th>" for head, right in zip(heads, numbers))
    body = "".join(
        "<tr>" + "".join(f"<td{_right(right)}>{cell}</td>" for cell, right in zip(row, numbers)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0"><table class="{kind}"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def folded(summary: str, body: str, *, printed: bool = False) -> str:
    """HTML under a summary in HTML. What is read only when asked for, and on paper only where it is ``printed``."""
    kind = ' class="printed"' if printed else ""
    return f"<details{kind}><summary>{summary}</summary>{body}</details>"


def soft(words: str) -> str:
    """A remark below a table or chart."""
    return f'<p class="soft">{text(words)}</p>'


def _right(right: bool) -> str:
    return ' class="number"' if right else ""
