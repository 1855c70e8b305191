"""An environment file is read back by systemd as it was given, or refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.filter.environment_file import environment_file


def read(text: str) -> Iterator[tuple[str, str]]:  # noqa: C901  # a parser has as many branches as its grammar
    """EnvironmentFile= as systemd reads it: the states of parse_env_file_internal() in its src/basic/env-file.c.

    tests/integration/test_environment_file.py puts systemd itself in its place.
    """
    state, key, value, blanks = "before key", "", "", ""
    for character in text:
        if state == "before key":
            if character in "#;":
                state = "comment"
            elif character not in " \t\n\r":
                state, key = "key", character
        elif state == "comment":
            state = "before key" if character in "\n\r" else state
        elif state == "key":
            if character == "=":
                state, key, value, blanks = "before value", key.rstrip(" \t"), "", ""
            else:
                state, key = ("before key", "") if character in "\n\r" else (state, key + character)
        elif state in ("before value", "value") and character in "\n\r":
            state = "before key"
            yield key, value
        elif state == "before value" and character in "'\"":
            state = character
        elif state in ("before value", "value"):
            if character == "\\":
                state = "value escape"
            elif character in " \t":
                blanks = blanks + character if state == "value" else blanks
            else:
                state, value, blanks = "value", value + blanks + character, ""
        elif state == "value escape":
            state, value, blanks = "value", value + blanks + character.strip("\n\r"), ""
        elif state == "'":
            state, value = ("before value", value) if character == "'" else (state, value + character)
        elif state == '"' and character in '"\\':
            state = {'"': "before value", "\\": '" escape'}[character]
        elif state == '"':
            value += character
        else:
            state = '"'
            value += character if character in '"\\`$' else "\\" + character.strip("\n")


NAMES = st.from_regex("[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
ODD = st.text(" \t\"'\\$`#;=%{}!~*&|<>()[]éa")
VALUES = ODD | st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]))


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_goes_in_comes_out(variables: dict[str, str]) -> None:
    text = environment_file(variables)
    assert dict(read(text)) == variables
    assert text.count("\n") == len(variables)


def test_the_reader_here_knows_what_the_filter_avoids() -> None:
    """It would not be worth much if it read everything as it stands."""
    text = "# A=1\nB = two words  \nC='a\\b'\nD=a\\ b \\\nE=\"x\\y\\$\"z\n\nF\nG=\n"
    assert dict(read(text)) == {"B": "two words", "C": "a\\b", "D": 'a b E="xy$"z', "G": ""}


def test_numbers_and_flags_are_written_as_they_read() -> None:
    assert environment_file({"OMP_NUM_THREADS": 1, "B": "=eth1", "A": ""}) == 'A=""\nB==eth1\nOMP_NUM_THREADS=1\n'


@pytest.mark.parametrize("value", ["a\nB=1", "a\rb", "a\0b", "\x1b[0m", "\x7f", "\x85"])
def test_what_systemd_would_drop_is_refused(value: str) -> None:
    with pytest.raises(AnsibleFilterError, match="NCCL_DEBUG holds a line end or another control character"):
        environment_file({"NCCL_DEBUG": value})


@pytest.mark.parametrize("name", ["", "1A", "A B", "A=B", "A\nB", "A-B", "Ä", "#A"])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(AnsibleFilterError, match="is no name of a variable"):
        environment_file({name: "1"})
