"""Programs of a host that isn't there: what they print, what they do, and a record of what was asked of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import NOT_FOUND, Result

Answer = Result | Callable[[list[str]], Result]


class Programs:
    """A runner: the longest known beginning of a command line answers. What isn't known isn't installed."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = dict(answers)
        self.calls: list[str] = []

    def __call__(self, argv: Sequence[str]) -> Result:
        line = " ".join(argv)
        self.calls.append(line)
        known = [words for words in self.answers if line == words or line.startswith(f"{words} ")]
        if not known:
            return Result(NOT_FOUND, stderr=f"{argv[0]}: No such file or directory")
        answer = self.answers[max(known, key=len)]
        return answer if isinstance(answer, Result) else answer(list(argv))


def printed(text: str) -> Result:
    """A program that printed this and succeeded."""
    return Result(0, text)
