# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All files of a report, as text: what reads a report begins here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from . import history as earlier
from . import junit, markdown, page, schema
from .reading import Entry, complete

HISTORY_DIRECTORY = "history"


def files(report: Entry, history: Sequence[Entry] = ()) -> dict[str, str]:
    """Return the content of every file of a report by its name, below the report's directory.

    Args:
        report: as it was judged; keys that it lacks are filled up.
        history: earlier runs as ``history.load`` reads them, the oldest first.

    Raises:
        SchemaError: the report isn't in the form that its readers rely on.
    """
    return texts(finished(report, history))


def texts(whole: Entry) -> dict[str, str]:
    """Return the content of every file of a finished report."""
    run = earlier.entry(whole)
    return {
        "report.json": json.dumps(whole, indent=2, sort_keys=True) + "\n",
        "report.html": page.render(whole),
        "report.md": markdown.render(whole),
        "junit.xml": junit.render(whole),
        f"{HISTORY_DIRECTORY}/{earlier.file_name(run)}": earlier.dump(run),
    }


def finished(report: Entry, history: Sequence[Entry] = ()) -> Entry:
    """Return the report with every key of its version, and with what changed since earlier runs.

    Raises:
        SchemaError: the report isn't in the form that its readers rely on.
    """
    whole = complete(report)
    whole["history"] = earlier.compare(whole, history)
    schema.demand(whole)
    return whole


def surplus(names: Iterable[str], keep: int) -> list[str]:
    """The files of the history that are one too many, of the names that are there."""
    return earlier.surplus(names, keep)
