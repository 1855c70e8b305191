"""`systemctl show`: properties, limits, and the command a unit would start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.filter.environment_file import environment_file
from ansible_collections.moefleet.serving.plugins.module_utils.evidence import systemd
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN

DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"
CASES = dict(
    re.findall(
        r"^# case (\w): .*\n((?:(?!#).*\n?)*)",
        (DATA / "N10_systemctl_show.txt").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
)


@pytest.mark.parametrize(
    ("case", "verdict", "memlock"),
    [("a", FAIL, 8388608), ("b", PASS, systemd.UNLIMITED), ("c", PASS, systemd.UNLIMITED), ("d", FAIL, 65536)],
)
def test_limits_of_a_unit(case: str, verdict: str, memlock: int) -> None:
    evidence = systemd.service_limits(CASES[case])
    assert (evidence.verdict, evidence.values["memlock_bytes"]) == (verdict, memlock)


def test_too_few_files_are_named_beside_memlock() -> None:
    reasons = systemd.service_limits(CASES["d"]).reasons
    assert len(reasons) == 2
    assert reasons[1] == "nofile is 65530, needed: 65536"


@pytest.mark.parametrize(
    "text", ["", "LimitMEMLOCK=infinity\n", "LimitMEMLOCK=infinity\nLimitMEMLOCKSoft=much\nLimitNOFILE=1\n"]
)
def test_half_of_the_limits_is_not_a_pass(text: str) -> None:
    assert systemd.service_limits(text).verdict in {UNKNOWN, FAIL}
    assert systemd.service_limits(text).values["memlock_bytes"] is None


def test_properties() -> None:
    text = "ActiveState=active\r\nDropInPaths=\nExecStart={ path=/x ; argv[]=/x a=b ; }\nnot a property\n"
    assert systemd.parse_show(text) == {
        "ActiveState": "active",
        "DropInPaths": "",
        "ExecStart": "{ path=/x ; argv[]=/x a=b ; }",
    }


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("infinity", systemd.UNLIMITED),
        ("unlimited", systemd.UNLIMITED),
        ("0", 0),
        ("12k", None),
        ("", None),
        ("-1", None),
        (None, None),
    ],
)
def test_limit(text: str | None, limit: int | None) -> None:
    assert systemd.parse_limit(text) == limit


def test_the_command_is_the_same_however_it_is_quoted() -> None:
    shown = (
        '{ path=/opt/vllm ; argv[]=/opt/env/bin/vllm serve /m --name a $$b 100% --eplb-config {"a": 1} ;'
        " ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }"
    )
    command = systemd.exec_command(shown)
    assert command.startswith("/opt/env/bin/vllm serve")
    planned = "vllm serve /m --name 'a $b 100%' --eplb-config '{\"a\": 1}'"
    assert systemd.command_digest(command) == systemd.command_digest(planned) != ""
    assert systemd.command_digest(command) != systemd.command_digest(planned.replace("1", "2"))


@pytest.mark.parametrize("text", ["", "{ path=/bin/true ; argv[]=/bin/true ; ignore_errors=no ; }", "garbage"])
def test_another_command_has_no_digest(text: str) -> None:
    assert systemd.command_digest(systemd.exec_command(text)) == ""


@given(st.text())
def test_any_text_is_read_without_raising(text: str) -> None:
    systemd.parse_show(text)
    systemd.parse_limit(text)
    systemd.exec_command(text)
    assert systemd.service_limits(text).verdict in {UNKNOWN, FAIL, PASS}


@given(st.integers(0, len(CASES["b"]) - 1))
def test_cut_off_limits_never_pass(cut: int) -> None:
    # A number that lost its last digits is smaller, never larger.
    assert systemd.service_limits(CASES["b"][:cut], nofile=1048576).verdict != PASS or cut == len(
        CASES["b"].rstrip("\n")
    )


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True),
        st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20),
        max_size=4,
    )
)
def test_an_environment_file_is_read_as_it_was_written(variables: dict[str, str]) -> None:
    assert systemd.parse_environment_file(environment_file(variables)) == variables


def test_comments_are_no_variables_and_the_last_line_counts() -> None:
    text = "# A=1\n;B=2\nC='a \"b'\nD=1\nD=2\n\nE\n"
    assert systemd.parse_environment_file(text) == {"C": 'a "b', "D": "2"}
