"""What people read while it runs, and who gives to whom."""

from __future__ import annotations

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.weights import progress


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({}, "looking at what is there"),
        ({"state": "complete"}, "complete"),
        (
            {"state": "fetching", "have_bytes": 250e9, "total_bytes": 1e12, "rate": 100e6},
            "250.0 GB of 1.00 TB (25%), 100.0 MB/s, 2 h 05 min left",
        ),
        ({"state": "fetching", "have_bytes": 5, "total_bytes": 10}, "5 B of 10 B (50%), 0 B/s, waiting"),
    ],
)
def test_bytes_rate_and_time_left(status: dict[str, object], words: str) -> None:
    assert progress.words(status) == words


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (65, "1 min 05 s"), (3600, "1 h 00 min")])
def test_time(seconds: float, words: str) -> None:
    assert progress.time_words(seconds) == words


def test_hosts_that_have_all_give_to_the_others() -> None:
    states = {"a": {"whole": False}, "b": {"whole": True}, "c": {"whole": False}}
    chain = progress.order(states)
    assert chain == ["b", "a", "c"]
    assert [progress.before(chain, name) for name in chain] == ["", "b", "a"]
