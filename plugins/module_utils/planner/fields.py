# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading loosely typed input (JSON, YAML, templated strings) without stopping at the first mistake."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from .findings import Finding, error

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word most like ``word``, or ``None`` where none comes as close as ``cutoff`` (1 is equality).

    Dashes and underscores count as equal.
    """
    by_plain = {name.lower().replace("-", "_"): name for name in known}
    matches = difflib.get_close_matches(word.lower().replace("-", "_"), list(by_plain), n=1, cutoff=cutoff)
    return by_plain[matches[0]] if matches else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """A sentence for a finding's fix: the likely intended word, else the words there are."""
    names = sorted(known)
    near = closest(word, names)
    return f"did you mean '{near}'?" if near else "use one of: " + ", ".join(names)


class Section:
    """A mapping being read: every getter notes what is wrong in ``findings`` and answers with the default instead.

    ``sound`` tells whether everything read so far was usable.
    """

    def __init__(self, where: str, raw: Any, known: Iterable[str], findings: list[Finding]) -> None:
        self.where = where
        self._findings = findings
        self.sound = True
        self._raw: dict[str, Any] = {}
        if raw is None:
            raw = {}
        if not isinstance(raw, Mapping):
            self.refuse(
                "input.not_a_mapping", f"{where} is {describe(raw)}, not a mapping", f"give {where} as a mapping"
            )
            return
        self._raw = {str(key): value for key, value in raw.items()}
        names = list(known)
        for key in self._raw:
            if key not in names:
                self.refuse("input.unknown_key", f"{where} has no key '{key}'", suggestion(key, names))

    def refuse(self, code: str, message: str, fix: str) -> None:
        """Note an error of this section."""
        self.sound = False
        self._findings.append(error(code, message, fix))

    def get(self, key: str, default: Any = None) -> Any:
        """The value as it came; the default where it is absent or null."""
        value = self._raw.get(key)
        return default if value is None else value

    def path(self, key: str) -> str:
        """How a message names the key."""
        return f"{self.where}.{key}" if self.where else key

    def integer(self, key: str, default: int | None, minimum: int, maximum: int | None = None) -> int | None:
        """A whole number, also from a decimal string (extra variables are strings). Booleans are not numbers."""
        value = self._raw.get(key)
        if value is None:
            return default
        number = _whole(value)
        if number is None:
            self.refuse(
                "input.not_a_number",
                f"{self.path(key)} is {describe(value)}, not a whole number",
                f"give {self.path(key)} as a whole number",
            )
            return default
        if number < minimum or (maximum is not None and number > maximum):
            limits = f"at least {minimum}" if maximum is None else f"{minimum} to {maximum}"
            self.refuse(
                "input.out_of_range",
                f"{self.path(key)} is {number}, allowed is {limits}",
                f"set {self.path(key)} to {limits}",
            )
            return default
        return number

    def required_integer(self, key: str, minimum: int, maximum: int | None = None) -> int:
        """Like :meth:`integer`, but absence is an error; answers ``minimum`` then."""
        if self._raw.get(key) is None:
            self.refuse("input.missing", f"{self.path(key)} is missing", f"set {self.path(key)}")
            return minimum
        value = self.integer(key, None, minimum, maximum)
        return minimum if value is None else value

    def number(self, key: str, default: float | None, above: float, maximum: float | None = None) -> float | None:
        """A finite number greater than ``above`` and at most ``maximum``."""
        value = self._raw.get(key)
        if value is None:
            return default
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            self.refuse(
                "input.not_a_number",
                f"{self.path(key)} is {describe(value)}, not a number",
                f"give {self.path(key)} as a number",
            )
            return default
        if number <= above or (maximum is not None and number > maximum):
            limits = f"more than {above:g}" + ("" if maximum is None else f" and at most {maximum:g}")
            self.refuse(
                "input.out_of_range",
                f"{self.path(key)} is {number:g}, allowed is {limits}",
                f"set {self.path(key)} to {limits}",
            )
            return default
        return number

    def boolean(self, key: str, default: bool) -> bool:
        """A truth value, also as the words Ansible knows."""
        value = self._raw.get(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        self.refuse(
            "input.not_a_boolean",
            f"{self.path(key)} is {describe(value)}, not true or false",
            f"set {self.path(key)} to true or false",
        )
        return default

    def text(self, key: str, default: str | None) -> str | None:
        """A string; numbers are taken as their text."""
        value = self._raw.get(key)
        if value is None or value == "":
            return default
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value)
        self.refuse(
            "input.not_text", f"{self.path(key)} is {describe(value)}, not text", f"give {self.path(key)} as text"
        )
        return default

    def mapping(self, key: str) -> dict[str, Any]:
        """A mapping with string keys; empty where absent."""
        value = self._raw.get(key)
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return {str(name): item for name, item in value.items()}
        self.refuse(
            "input.not_a_mapping",
            f"{self.path(key)} is {describe(value)}, not a mapping",
            f"give {self.path(key)} as a mapping",
        )
        return {}


def _whole(value: Any) -> int | None:
    """``value`` as a whole number, or ``None``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        try:
            return int(value.strip(), 10)
        except ValueError:
            return None
    return None


def describe(value: Any) -> str:
    """A short account of a wrong value for a message."""
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
