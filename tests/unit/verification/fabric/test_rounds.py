"""Every ordered pair once, no host twice at a time, as few rounds as there can be."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.rounds import rounds

HOSTS = st.lists(st.text("abcdefgh0123", min_size=1, max_size=6), unique=True, max_size=24)


@given(HOSTS)
def test_every_ordered_pair_is_measured_once(hosts: list[str]) -> None:
    directions = [pair for entry in rounds(hosts) for one, other in entry for pair in ((one, other), (other, one))]
    assert sorted(directions) == sorted(permutations(hosts, 2))


@given(HOSTS)
def test_no_host_is_in_two_pairs_at_a_time(hosts: list[str]) -> None:
    for entry in rounds(hosts):
        names = [name for pair in entry for name in pair]
        assert len(set(names)) == len(names)


@given(HOSTS)
def test_there_are_as_few_rounds_as_there_can_be(hosts: list[str]) -> None:
    number = len(hosts)
    made = rounds(hosts)
    assert len(made) == (0 if number < 2 else number - 1 if number % 2 == 0 else number)
    assert all(len(entry) == number // 2 for entry in made)


def test_four_hosts() -> None:
    assert rounds(["a", "b", "c", "d"]) == [
        [("a", "d"), ("b", "c")],
        [("a", "c"), ("d", "b")],
        [("a", "b"), ("c", "d")],
    ]


def test_a_host_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="there twice: a, b, a"):
        rounds(["a", "b", "a"])
