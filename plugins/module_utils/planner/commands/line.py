# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A pasted ``vllm serve`` command line as environment, model and options, the way vLLM's own parser takes it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..engine.flag_names import KNOWN, names_at, standing
from ..engine.flags import FLAGS, SHORT
from ..versions import Version
from .facts import INTEGER_FLAGS, JSON_FLAGS, is_switch
from .text import ShellError, Word, assignment, read_script

_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
# vLLM's own reading of numbers: 32k is 32,000 and 32K 32,768.
_HUMAN = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)([kKmMgGtT])")
_SCALES = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass
class Option:
    """A flag by its long name, as ``written``, with its values. ``keys`` are those given after a dot."""

    flag: str
    written: str
    values: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    negated: bool = False
    open: bool = False


@dataclass(frozen=True)
class Problem:
    """Something wrong with the text itself: a code without its room, and the finding's words."""

    code: str
    message: str
    fix: str


@dataclass
class Command:
    """One host's command. ``open`` options have values that only the host's shell knows."""

    host: str
    model: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, Option] = field(default_factory=dict)
    extra: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def has(self, flag: str) -> bool:
        """Whether a switch is on."""
        option = self.options.get(flag)
        return option is not None and not option.negated

    def known(self, flag: str) -> bool:
        """Whether a flag's value is one that can be judged: not left to the shell."""
        option = self.options.get(flag)
        return option is not None and not option.open

    def text(self, flag: str) -> str | None:
        """A flag's value."""
        option = self.options.get(flag)
        return None if option is None or not option.values else option.values[-1]

    def integer(self, flag: str) -> int | None:
        """A flag's value as a number; ``None`` where it is none, is not given or is left to the shell."""
        text = self.text(flag)
        return whole(text) if text is not None and self.known(flag) else None

    def mapping(self, flag: str) -> dict[str, Any]:
        """A JSON flag's keys, from its value and from those given after a dot."""
        option = self.options.get(flag)
        if option is None:
            return {}
        parsed = parse_json(option.values[-1]) if option.values else {}
        found = dict(parsed) if isinstance(parsed, dict) else {}
        found.update({key: loose(value) for key, value in option.keys.items()})
        return found


def whole(text: str) -> int | None:
    """A whole number, also with vLLM's suffixes; ``None`` for anything else."""
    match = _HUMAN.fullmatch(text)
    if match is not None:
        return int(float(match.group(1)) * _SCALES[match.group(2)])
    return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else None


def parse_json(text: str) -> Any:
    """The value, or ``None`` where the text is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def loose(text: str) -> Any:
    """A value given after a dot: JSON where it is such, else the text."""
    found = parse_json(text)
    return text if found is None and text != "null" else found


def canonical(option: Option) -> Any:
    """A value in a form that compares equal however it was written: 0.90 and 0.9, JSON with other blanks or by dots."""
    if option.negated:
        return False
    if option.flag in JSON_FLAGS:
        parsed = parse_json(option.values[-1]) if option.values else {}
        keys = {key: loose(value) for key, value in option.keys.items()}
        return {**parsed, **keys} if isinstance(parsed, dict) else parsed
    if not option.values:
        return True
    found = [float(value) if _NUMBER.fullmatch(value) else (whole(value) or value) for value in option.values]
    return found[0] if len(found) == 1 else found


def read_command(host: str, text: str, release: Version) -> Command:
    """One host's command from its text; what is wrong with the text itself is in ``problems``."""
    command = Command(host)
    try:
        script = read_script(text)
    except ShellError as problem:
        command.problems.append(Problem("syntax", f"no shell would run it: {problem}", "close the quote"))
        return command
    if script.lost_continuation:
        command.problems.append(
            Problem(
                "continuation",
                "a \\ is followed by blanks: the shell ends the command there",
                "let the \\ be the last character of its line",
            )
        )
    found = 0
    for statement in script.statements:
        words = list(statement[1:] if statement[0].text == "export" else statement)
        start = _start(words)
        if start is None:
            if all(assignment(word) for word in words) and statement[0].text == "export":
                command.environment.update(pair for word in words if (pair := assignment(word)))
            continue
        found += 1
        if found == 1:
            before, after, module = words[: start[0]], words[start[1] :], start[2]
            command.environment.update(pair for word in before if (pair := assignment(word)))
            _read_options(command, after, module, release)
    if not found:
        message = "there is no `vllm serve` (nor `python -m vllm.entrypoints.openai.api_server`) in it"
        command.problems.append(Problem("no_command", message, "give the command that starts the engine"))
    elif found > 1:
        message = f"it starts {found} engines, of which only the first is audited"
        command.problems.append(Problem("several", message, "give one command a host"))
    return command


def _start(words: Sequence[Word]) -> tuple[int, int, bool] | None:
    """Where the engine's command stands, where its arguments begin, and whether it is the module's form."""
    for index, word in enumerate(words):
        name = word.text.rsplit("/", 1)[-1]
        following = words[index + 1].text if index + 1 < len(words) else ""
        if name == "vllm" and following == "serve":
            return index, index + 2, False
        if word.text == "-m" and following.startswith("vllm.entrypoints.") and following.endswith("api_server"):
            return max(0, index - 1), index + 2, True
    return None


def _read_options(command: Command, words: Sequence[Word], module: bool, release: Version) -> None:
    """Options and positional arguments. A switch takes no value, any other flag all words up to the next flag."""
    current: Option | None = None
    key: str | None = None
    for index, word in enumerate(words):
        if word.text and word.text[0] in _DASHES:
            message = f"'{word.text}' begins with a dash that is no '-': it is not read as a flag"
            command.problems.append(Problem("dash", message, "write two plain hyphens"))
            current = None
        elif word.text.startswith("-") and len(word.text) > 1 and not _NUMBER.fullmatch(word.text):
            current, key = _add(command, word, release)
        elif current is None:
            _positional(command, word, module)
        elif key is not None:
            current.keys[key] = word.text
            current.open = current.open or word.open
            current = key = None
        else:
            current.values.append(word.text)
            current.open = current.open or word.open
        if current is not None and is_switch(current.flag) and (current.values or not _is_truth(words[index + 1 :])):
            current = None
    given = command.options.get("--model")
    if command.model is None and given is not None and given.values:
        command.model = given.values[-1]


def _is_truth(following: Sequence[Word]) -> bool:
    """Whether ``true`` or ``false`` follows: written after a switch it is meant as its value."""
    return bool(following) and following[0].text.lower() in ("true", "false")


def _positional(command: Command, word: Word, module: bool) -> None:
    """The model; there is room for one, and none in the module's form."""
    if command.model is None and not module:
        command.model = word.text
    else:
        command.extra.append(word.text)


def _add(command: Command, word: Word, release: Version) -> tuple[Option, str | None]:
    """An option under its long name, and the key whose value is still to come (``--eplb-config.window_size 100``).

    Given again, the last value counts; keys after dots add up.
    """
    name, equals, value = word.text.partition("=")
    name, dot, key = name.partition(".")
    key = key.rstrip("+")
    flag, negated = long_name(name, release)
    option = command.options.get(flag)
    if option is None or not dot:
        if option is not None and not option.keys:
            command.problems.append(Problem("repeated", f"{flag} is given twice; the last one counts", "give it once"))
        keys = option.keys if option is not None else {}
        option = command.options[flag] = Option(flag, name, keys=keys)
    option.negated = negated
    option.open = option.open or word.open
    if dot and equals:
        option.keys[key] = value
    elif equals:
        option.values.append(value)
    return option, key if dot and not equals else None


def long_name(name: str, release: Version) -> tuple[str, bool]:
    """The flag a word stands for, and whether it is its ``--no-`` form.

    vLLM takes underscores for dashes, short forms, and, as Python's argparse does, any beginning of a name that is
    the only one with it.
    """
    if not name.startswith("--"):
        if re.fullmatch(r"-O\d?", name):
            return "--optimization-level", False
        return SHORT[name][0] if name in SHORT else name, False
    plain = "--" + name[2:].replace("_", "-")
    if plain.startswith("--no-") and standing(plain, release) != KNOWN:
        return _completed("--" + plain[5:], release), True
    return _completed(plain, release), False


def _completed(flag: str, release: Version) -> str:
    """The only known flag that begins so, unless the flag is one itself."""
    if flag in FLAGS or standing(flag, release) == KNOWN or flag in INTEGER_FLAGS:
        return flag
    matches = [known for known in names_at(release) if known.startswith(flag)]
    return matches[0] if len(matches) == 1 else flag
