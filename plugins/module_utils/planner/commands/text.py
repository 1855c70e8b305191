# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shell text as words: quotes, continuations, comments, assignments; as much of the shell as command lines have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# `<HEAD_IP>`, as documents write what the reader shall fill in; to a shell it is a redirection.
_PLACEHOLDER = re.compile(r"<[A-Za-z0-9_ .-]+>")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_SUBSTITUTION = re.compile(r"\$\([^)]*\)|`[^`]*`|\$\{[^}]*\}")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_LOST_CONTINUATION = re.compile(r"\\[ \t]+(?=\r?\n)")


@dataclass(frozen=True)
class Word:
    """One argument after the shell's work. ``open``: only the host's shell knows all of it (``$X``, ``<IP>``)."""

    text: str
    open: bool = False


class ShellError(Exception):
    """Text no shell would run; the message says why."""


@dataclass(frozen=True)
class Script:
    """A text's statements, each a list of words, and whether a ``\\`` before blanks was meant to continue a line."""

    statements: tuple[tuple[Word, ...], ...]
    lost_continuation: bool


def read_script(text: str) -> Script:
    """The statements of a text. Variables assigned earlier in it are filled in. Raises :class:`ShellError`."""
    lost = _LOST_CONTINUATION.search(text) is not None
    # A backslash before blanks is taken for the continuation it was meant to be, so that the rest can be judged.
    text = _LOST_CONTINUATION.sub(r"\\", text).replace("\r\n", "\n").replace("\\\n", " ")
    reader = _Reader(text)
    return Script(tuple(tuple(statement) for statement in reader.statements()), lost)


def assignment(word: Word) -> tuple[str, str] | None:
    """Name and value of ``NAME=value``."""
    match = _ASSIGNMENT.fullmatch(word.text)
    return (match.group(1), match.group(2)) if match else None


class _Reader:
    """A scanner over the text; ``_known`` are variables assigned so far."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._known: dict[str, str] = {}

    def statements(self) -> list[list[Word]]:
        """All of them, in order."""
        found: list[list[Word]] = []
        current: list[Word] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in "\n;&|":
                self._at += 1
                self._close(current, found)
                current = []
            elif char in " \t":
                self._at += 1
            elif char == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif self._redirection():
                continue
            else:
                current.append(self._word())
        self._close(current, found)
        return found

    def _close(self, statement: list[Word], found: list[list[Word]]) -> None:
        """End a statement; one that only assigns variables makes them known to what follows."""
        if not statement:
            return
        words = statement[1:] if statement[0].text == "export" else statement
        pairs = [pair for word in words if (pair := assignment(word))]
        if len(pairs) == len(words):
            self._known.update(pairs)
        found.append(statement)

    def _redirection(self) -> bool:
        """Skip ``>file``, ``2>&1`` and the like."""
        match = re.compile(r"\d*(>>?|<)(&\d)?").match(self._text, self._at)
        if match is None or _PLACEHOLDER.match(self._text, self._at):
            return False
        self._at = match.end()
        if match.group(2) is None:
            while self._at < len(self._text) and self._text[self._at] in " \t":
                self._at += 1
            if self._at < len(self._text) and self._text[self._at] != "\n":
                self._word()
        return True

    def _word(self) -> Word:
        """One word, up to a blank or an operator outside quotes."""
        parts: list[str] = []
        is_open = False
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in " \t\n;&|":
                break
            if char in "'\"":
                part, part_open = self._quoted(char)
            elif char == "\\":
                part, part_open = self._text[self._at + 1 : self._at + 2], False
                self._at += 2
            elif char == "<" and (match := _PLACEHOLDER.match(self._text, self._at)):
                part, part_open = match.group(), True
                self._at = match.end()
            elif char in "$`":
                part, part_open = self._expansion()
            else:
                part, part_open = char, False
                self._at += 1
            parts.append(part)
            is_open = is_open or part_open
        return Word("".join(parts), is_open)

    def _quoted(self, quote: str) -> tuple[str, bool]:
        start = self._at + 1
        end = start
        while end < len(self._text) and self._text[end] != quote:
            end += 2 if quote == '"' and self._text[end] == "\\" else 1
        if end >= len(self._text):
            raise ShellError(f"a {quote} is never closed")
        inner = self._text[start:end]
        self._at = end + 1
        if quote == "'":
            return inner, False
        inner = re.sub(r"\\([\"\\$`])", lambda match: "\0" + match.group(1), inner)
        filled, is_open = _fill(inner, self._known)
        return filled.replace("\0", ""), is_open

    def _expansion(self) -> tuple[str, bool]:
        match = _VARIABLE.match(self._text, self._at) or _SUBSTITUTION.match(self._text, self._at)
        if match is None:
            self._at += 1
            return self._text[self._at - 1], False
        self._at = match.end()
        return _fill(match.group(), self._known)


def _fill(text: str, known: Mapping[str, str]) -> tuple[str, bool]:
    """Variables replaced by what is known of them; whether any is left."""
    is_open = False

    def value(match: re.Match[str]) -> str:
        nonlocal is_open
        name = match.group(1) or match.group(2)
        if name in known:
            return known[name]
        is_open = True
        return match.group()

    filled = re.sub(r"(?<!\0)" + _VARIABLE.pattern, value, text)
    return filled, is_open or bool(re.search(r"(?<!\0)(\$\(|`|\$\{)", filled))
