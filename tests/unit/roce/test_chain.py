"""DSCP, traffic class, priority and PFC: one chain, and refused where a link doesn't fit."""

from __future__ import annotations

import csv
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.roce import chain
from ansible_collections.moefleet.serving.plugins.module_utils.roce.chain import Chain

DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"
# Row of the table → whether it is right. g is written in hexadecimal.
RIGHT = {"a": True, "b": True, "c": False, "d": True, "e": False, "f": True, "g": True, "h": False}


def make(dscp: int = 26, ecn: int = 2, priority: int = 3, mapped: dict[int, int] | None = None) -> Chain:
    return chain.chain(dscp=dscp, ecn=ecn, priority=priority, cnp_dscp=48, cnp_priority=6, mapped=mapped)


def test_the_reference_set() -> None:
    link = make()
    assert (link.traffic_class, link.priority, link.pfc) == (106, 3, (0, 0, 0, 1, 0, 0, 0, 0))
    assert link.dscp_priorities == {26: 3, 48: 6}


@given(dscp=st.integers(0, 63), ecn=st.integers(0, 2))
def test_every_fitting_chain_holds_together(dscp: int, ecn: int) -> None:
    priority = dscp // 8
    notifications = 48 if priority != 6 else 56
    link = chain.chain(dscp=dscp, ecn=ecn, priority=priority, cnp_dscp=notifications, cnp_priority=notifications // 8)
    assert chain.split(link.traffic_class) == (dscp, ecn)
    assert [index for index, on in enumerate(link.pfc) if on] == [link.dscp_priorities[dscp]]


@given(dscp=st.integers(-100, 400), ecn=st.integers(-3, 9), priority=st.integers(-3, 12))
def test_nothing_that_does_not_fit_gets_through(dscp: int, ecn: int, priority: int) -> None:
    fits = 0 <= dscp <= 63 and ecn in (0, 1, 2) and dscp // 8 == priority and priority != 6
    with nullcontext() if fits else pytest.raises(chain.ChainError, match=r"\w"):
        make(dscp, ecn, priority)


def test_a_mapping_may_bend_the_default() -> None:
    assert make(dscp=46, mapped={46: 3}).dscp_priorities == {46: 3, 48: 6}
    with pytest.raises(chain.ChainError, match="dscp 26 goes to priority 0 by the map given, not to 3"):
        make(mapped={26: 0})


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(chain.ChainError) as caught:
        chain.chain(dscp=106, ecn=3, priority=9, cnp_dscp=64, cnp_priority=8)
    for words in ("write dscp: 26", "ecn 3", "lossless_priority is 9", "cnp_dscp is 64", "cnp_priority is 8"):
        assert words in str(caught.value)


@pytest.mark.parametrize("row", list(csv.DictReader((DATA / "R08_tc_table.csv").open())), ids=lambda row: row["case"])
def test_the_table_of_cases(row: dict[str, str]) -> None:
    """A chain of each row's own DSCP and lossless priority, against what NCCL and the connection manager are told."""
    try:
        link = make(int(row["dscp"]), int(row["ecn"] or 0), int(row["lossless_prio"]))
        for stated in (row["nccl_ib_tc"], row["cma_roce_tos"]):
            if stated:
                chain.compare(link, int(stated, 0))
        right = True
    except chain.ChainError:
        right = False
    assert right == RIGHT[row["case"]]


def test_the_same_dscp_with_other_ecn_bits_is_a_warning() -> None:
    assert chain.compare(make(), None) == []
    assert chain.compare(make(), 106) == []
    assert chain.compare(make(), 104) == ["traffic class 104 is DSCP 26 as wanted, but its ECN bits are 0, not 2"]


@pytest.mark.parametrize(
    ("stated", "words"),
    [(26, r"is DSCP 6 \(priority 0 by default\), but the lossless DSCP is 26: use 106"), (256, "255")],
)
def test_another_queue_is_refused(stated: int, words: str) -> None:
    with pytest.raises(chain.ChainError, match=words):
        chain.compare(make(), stated)
