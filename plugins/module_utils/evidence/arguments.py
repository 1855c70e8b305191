# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Command lines of ``vllm serve``, compared by meaning rather than by spelling.

``--x=y`` is ``--x y``; ``--eplb-config '{"window_size": 1}'`` is ``--eplb-config.window_size 1``; ``0.90`` is ``0.9``;
``--max_model_len`` is ``--max-model-len``; ``-dp`` is ``--data-parallel-size``. The order of options means nothing.
(vLLM's FlexibleArgumentParser, vllm/utils/argparse_utils.py.)
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The short forms of vLLM 0.32 (vllm/engine/arg_utils.py, vllm/entrypoints); no earlier version gives one another
# meaning.
SHORT_OPTIONS: dict[str, str] = {
    "-ac": "attention-config",
    "-asc": "api-server-count",
    "-cc": "compilation-config",
    "-dc": "diffusion-config",
    "-dcp": "decode-context-parallel-size",
    "-dp": "data-parallel-size",
    "-dpa": "data-parallel-address",
    "-dpb": "data-parallel-backend",
    "-dpe": "data-parallel-external-lb",
    "-dph": "data-parallel-hybrid-lb",
    "-dpl": "data-parallel-size-local",
    "-dpm": "data-parallel-multi-port-external-lb",
    "-dpn": "data-parallel-rank",
    "-dpp": "data-parallel-rpc-port",
    "-dpr": "data-parallel-start-rank",
    "-ep": "enable-expert-parallel",
    "-n": "nnodes",
    "-pcp": "prefill-context-parallel-size",
    "-pp": "pipeline-parallel-size",
    "-q": "quantization",
    "-r": "node-rank",
    "-sc": "speculative-config",
    "-tp": "tensor-parallel-size",
}

# Options whose value must not reach a report.
SECRET_OPTIONS = ("api-key", "hf-token")
_SECRET_VARIABLE = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSPHRASE)(?:_|$)")

_OPTION = re.compile(r"^--[A-Za-z][\w.-]*(?:=.*)?$", re.DOTALL)
_NUMBER = re.compile(r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$", re.ASCII)


@dataclass(frozen=True)
class CommandLine:
    """What a ``serve`` command line means: the positional arguments and the options, values normalised."""

    positional: tuple[str, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """One option that is not the same. None stands for an option that isn't given at all."""

    name: str
    expected: Any
    observed: Any

    def __str__(self) -> str:
        return f"{self.name}: expected {show(self.expected)}, found {show(self.observed)}"


def after_serve(argv: Sequence[str]) -> list[str]:
    """Return what follows the subcommand ``serve``: interpreter, script path and subcommand do not belong to the
    comparison.

    Raises:
        ValueError: this is no ``vllm serve`` command line.
    """
    for index, word in enumerate(argv):
        if word == "serve" and index > 0 and argv[index - 1].rsplit("/", 1)[-1] in ("vllm", "vllm.exe"):
            return list(argv[index + 1 :])
    raise ValueError(f"not a `vllm serve` command line: {' '.join(argv)[:200]}")


def normalise(tokens: Sequence[str]) -> CommandLine:
    """Read the tokens that follow ``serve``: MODEL first, then options (an option without a value is True)."""
    positional: list[str] = []
    options: dict[str, Any] = {}
    dotted: dict[str, dict[str, Any]] = {}
    index = 0
    while index < len(tokens):
        token = tokens[index]
        index += 1
        if not is_option(token):
            positional.append(token)
            continue
        name, given, inline = token.partition("=")
        values = [inline] if given else []
        while not given and index < len(tokens) and not is_option(tokens[index]):
            values.append(tokens[index])
            index += 1
        read = [_value(text) for text in values]
        value: Any = True if not read else read[0] if len(read) == 1 else read
        name, dot, path = _long_name(name).partition(".")
        if dot:
            dotted[name] = _merge(dotted.get(name, {}), _nest(path, value))
        else:
            options[name] = value
    # vLLM joins all dotted parts of a name into one JSON argument and puts it last, so it replaces a JSON given
    # beside them.
    options.update(dotted)
    return CommandLine(tuple(positional), options)


def differences(expected: Sequence[str], observed: Sequence[str]) -> list[Difference]:
    """Compare two token lists that follow ``serve`` and return what is not the same, by option name."""
    left, right = normalise(expected), normalise(observed)
    found: list[Difference] = []
    if left.positional != right.positional:
        found.append(Difference("MODEL", " ".join(left.positional) or None, " ".join(right.positional) or None))
    for name in sorted(set(left.options) | set(right.options)):
        before, after = left.options.get(name), right.options.get(name)
        if not _same(before, after):
            found.append(Difference(f"--{name}", before, after))
    return found


def mask(argv: Sequence[str]) -> list[str]:
    """Return ``argv`` with the values of SECRET_OPTIONS replaced by digests: still comparable, not readable."""
    masked: list[str] = []
    secret = False
    for token in argv:
        name, equals, value = token.partition("=")
        named = is_option(token) and _long_name(name) in SECRET_OPTIONS
        if named and equals:
            masked.append(f"{name}={_digest(value)}")
        else:
            masked.append(_digest(token) if secret and not is_option(token) else token)
        secret = (named and not equals) or (secret and not is_option(token))
    return masked


def mask_environment(environment: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return ``environment`` with the values of variables that are named like secrets replaced by digests."""
    return {
        name: _digest(value) if value is not None and _SECRET_VARIABLE.search(name) else value
        for name, value in environment.items()
    }


def show(value: Any) -> str:
    """Return a normalised value as a person would write it on a command line."""
    if value is None:
        return "nothing"
    if value is True:
        return "the option without a value"
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    return str(value)


def is_option(token: str) -> bool:
    """Say whether a token names an option; ``-1`` and ``-`` are values."""
    return bool(_OPTION.match(token)) or token.partition("=")[0] in SHORT_OPTIONS


def _long_name(name: str) -> str:
    if name in SHORT_OPTIONS:
        return SHORT_OPTIONS[name]
    head, dot, keys = name[2:].partition(".")
    return head.replace("_", "-") + dot + keys


def _digest(text: str) -> str:
    if text.startswith("sha256:"):
        return text
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def _nest(path: str, value: Any) -> dict[str, Any]:
    head, dot, rest = path.partition(".")
    return {head: _nest(rest, value) if dot else value}


def _merge(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(left)
    for key, value in right.items():
        before = merged.get(key)
        merged[key] = _merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _value(text: str) -> Any:
    stripped = text.strip()
    if stripped[:1] in ("{", "["):
        try:
            return json.loads(stripped)
        except (ValueError, RecursionError):
            return text
    if _NUMBER.match(stripped):
        return int(stripped) if re.match(r"^[+-]?\d{1,300}$", stripped, re.ASCII) else float(stripped)
    if stripped in ("true", "false"):
        # A dotted key's JSON value; a switch has no value at all.
        return stripped == "true"
    return text


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return set(left) == set(right) and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(one, other) for one, other in zip(left, right))
    return bool(left == right)
