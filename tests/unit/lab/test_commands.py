"""The one way the lab runs a command: output, or an error that says what to do."""

from __future__ import annotations

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError, run


def test_output_and_input_pass() -> None:
    assert run(["cat"], stdin="line\n") == "line\n"


@pytest.mark.parametrize(
    ("argv", "timeout_s", "code", "words"),
    [
        (
            ["sh", "-c", "echo fine; echo no such device >&2; exit 3"],
            10,
            "LAB_COMMAND_FAILED",
            "exit 3: no such device",
        ),
        (["sh", "-c", "echo said on stdout; exit 1"], 10, "LAB_COMMAND_FAILED", "exit 1: said on stdout"),
        (["moefleet-no-such-program"], 10, "LAB_COMMAND_MISSING", "install the package"),
        (["sleep", "60"], 0.1, "LAB_COMMAND_HANGS", "no end after 0 s"),
    ],
)
def test_a_failure_says_what_and_why(argv: list[str], timeout_s: float, code: str, words: str) -> None:
    with pytest.raises(LabError) as caught:
        run(argv, timeout_s)
    assert (caught.value.code, caught.value.place) == (code, " ".join(argv))
    assert words in str(caught.value)
