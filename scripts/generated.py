"""Pages that a script writes parts of: each stands between ``<!-- NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *cells])


def filled(text: str, parts: Mapping[str, str], name: str) -> str:
    """Return a page's text with its parts replaced; a part without a place ends the script, which names the page."""
    for part, content in parts.items():
        opening = f"<!-- {part} -->\n"
        before, found, after = text.partition(opening)
        _old, closing, rest = after.partition("<!-- end -->")
        if not found or not closing:
            sys.exit(f"{name}: no place for '{part}'")
        text = f"{before}{opening}{content}\n{closing}{rest}"
    return text


def write(page: Path, wanted: str, summary: str) -> int:
    """Write the page and say ``summary``, or with ``--check`` on the command line say whether it is out of date."""
    current = page.read_text(encoding="utf-8") == wanted
    if "--check" in sys.argv[1:]:
        if not current:
            print(f"out of date (make docs writes it): docs/{page.name}")
        return int(not current)
    if not current:
        page.write_text(wanted, encoding="utf-8")
    print(summary)
    return 0
