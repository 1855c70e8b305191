"""What fabric.yml left: every ordered pair was measured over RDMA, and each run's output could be read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

PAIRS = (("guest-0", "guest-1"), ("guest-1", "guest-0"))
RDMA = ("rdma_latency_64b", "rdma_latency_1mb", "rdma_bandwidth_1mb")


def measured(source: str, target: str, check: str) -> dict[str, Any]:
    """The one measurement of a figure from a guest to the other."""
    text = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], f"{source}.json").read_text(encoding="utf-8")
    (found,) = [entry for entry in json.loads(text) if (entry["check"], entry["peer"]) == (check, target)]
    return dict(found)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("check", ["ip_round_trip", "tcp_bandwidth", *RDMA])
def test_each_run_has_its_figure(check: str, source: str, target: str) -> None:
    found = measured(source, target, check)
    assert [run["evidence"]["verdict"] for run in found["runs"]] == ["pass", "pass"], found


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("check", RDMA)
def test_it_went_over_the_rdma_device_with_the_traffic_class(check: str, source: str, target: str) -> None:
    found = measured(source, target, check)
    assert found["conditions"]["device"] == "rxe0"
    assert "--tclass=106" in found["argv"]
