"""SHA256SUMS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import checksums

A, B = "a" * 64, "b" * 64


def test_text_and_binary_lines() -> None:
    assert checksums.parse(f"{A}  config.json\n{B.upper()} *sub/model 1.safetensors\n\n") == (
        {"config.json": A, "sub/model 1.safetensors": B},
        [],
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the list is empty"),
        ("config.json\n", "line 1 is no checksum"),
        (f"{A[:-1]}  config.json\n", "line 1 is no checksum"),
        (f"{A}  /etc/passwd\n", "line 1 names a file outside the directory: /etc/passwd"),
        (f"{A}  x/../../y\n", "line 1 names a file outside the directory: x/../../y"),
        (f"{A}  x\n{B}  ./x\n", "line 2 gives x a second digest"),
    ],
)
def test_a_list_that_proves_nothing(text: str, problem: str) -> None:
    assert checksums.parse(text)[1] == [problem]


@given(st.text())
def test_any_text_is_read_without_raising(text: str) -> None:
    digests, problems = checksums.parse(text)
    assert digests or problems
