"""The catalogue is whole: every threshold of the reference document has one check, and every check can be judged."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue import model
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.all import (
    ACCEPTANCES,
    BY_ID,
    by_id,
)
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.document import ROWS
from ansible_collections.moefleet.serving.plugins.module_utils.verification.floors import floor_of

# How many thresholds each section of the document has; a line with a time and a bandwidth is two.
COUNTS = {
    "4.4.1": 18,
    "4.4.2": 4,
    "4.5.1": 10,
    "4.5.2": 12,
    "4.5.4": 4,
    "4.5.5": 5,
    "4.6.4": 4,
    "7.1.1": 4,
    "7.1.2": 5,
    "7.1.3": 4,
    "7.2.1": 3,
    "7.2.2": 6,
}

# What is measured although no document asks anything of it.
WITHOUT_THRESHOLD = {
    "ip_round_trip",
    "tcp_bandwidth",
    "all_to_all_bandwidth",
    "all_reduce_bandwidth_host",
    "all_reduce_bandwidth",
    "collective_transport",
    "ttft_2048_p95",
    "ttft_8192_p95",
    "full_context",
    "sessions_goodput",
    "preemptions",
    "kv_cache_tokens",
    "expert_balancedness",
}


def test_every_row_of_the_document_is_there() -> None:
    assert Counter(row.section for row in ROWS) == COUNTS


def test_no_row_is_there_twice() -> None:
    assert len(set(ROWS)) == len({(row.section, row.text) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section}-{row.check}")
def test_a_rows_check_has_a_threshold_from_its_section(row: Any) -> None:
    sources = [threshold.source for threshold in by_id(row.check).thresholds]
    assert any(source.split()[0] == f"§{row.section}" for source in sources), sources


def test_every_section_that_a_threshold_names_is_one_of_the_documents() -> None:
    asked = {(row.section, row.check) for row in ROWS}
    for entry in ACCEPTANCES:
        for threshold in entry.thresholds:
            section = threshold.source.split()[0].lstrip("§")
            # The long run's errors are the same demand as the sessions'; wrong answers need no document.
            known = (section, entry.id) in asked or entry.id == "soak_error_rate" or threshold.source == "every engine"
            assert known, threshold


def test_only_what_nobody_asks_for_is_without_a_source() -> None:
    without = {entry.id for entry in ACCEPTANCES if not entry.thresholds}
    assert without == WITHOUT_THRESHOLD | {name for name in BY_ID if name.startswith("experiment_")}


def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(ACCEPTANCES)


@pytest.mark.parametrize("entry", ACCEPTANCES, ids=lambda entry: entry.id)
def test_an_entry_can_be_judged(entry: model.Acceptance) -> None:
    assert entry.phase in model.PHASES
    assert entry.scope in (model.HOST, model.PAIR, model.GROUP, model.WHOLE)
    assert entry.better in (model.AT_MOST, model.AT_LEAST)
    assert entry.statistic in (model.MEAN, model.MEDIAN, model.LARGEST, model.SMALLEST)
    assert entry.fix.format(host="node-1", peer="node-3")
    assert 0 <= entry.low_share < 1
    assert not entry.low_share or entry.scope in (model.HOST, model.PAIR)
    assert len({threshold.source for threshold in entry.thresholds}) == len(entry.thresholds)
    floor_of(entry, {})


@pytest.mark.parametrize("entry", ACCEPTANCES, ids=lambda entry: entry.id)
def test_thresholds_are_in_order(entry: model.Acceptance) -> None:
    for threshold in entry.thresholds:
        numbers = [n for n in (threshold.expected, threshold.warn, threshold.fail) if n is not None]
        assert numbers
        assert numbers == sorted(numbers, reverse=entry.better == model.AT_LEAST)


def test_sets_of_thresholds_for_one_thing_stand_beside_each_other() -> None:
    assert [threshold.source for threshold in by_id("rdma_latency_64b").thresholds] == ["§4.4.1", "§4.6.4", "§7.1.3"]
