"""Bytes of a token by back end, and how many hosts its experts are on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.catalogue import find_model
from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.model import Routing
from ansible_collections.moefleet.serving.plugins.module_utils.planner.network.traffic import (
    SCHEMES,
    Spread,
    copies_sent,
    copy_bytes,
    expected_hosts,
    expected_parts,
    port_bytes,
    prompt_port_bytes,
    stage_bytes,
    tensor_bytes,
)
from ansible_collections.moefleet.serving.plugins.module_utils.planner.versions import version

MODEL, _SERVED = find_model("deepseek-v3")
NEW, OLD = version("0.19.1"), version("0.12.0")
FOUR_HOSTS = Spread(32, 4)


def test_one_copy_through_deepep() -> None:
    found = copy_bytes(MODEL, "deepep_low_latency", "fp8", NEW)
    assert (found.dispatch, found.combine) == (7_392, 14_336)


@pytest.mark.parametrize(
    ("backend", "release", "megabytes"),
    [
        ("allgather_reducescatter", NEW, 1.224),
        ("allgather_reducescatter", OLD, 1.611),
        (None, OLD, 1.611),
        ("deepep_high_throughput", NEW, 0.736),
        ("deepep_low_latency", NEW, 1.890),
    ],
)
def test_bytes_through_a_hosts_ports(backend: str | None, release: object, megabytes: float) -> None:
    found = port_bytes(MODEL, backend, "fp8", release, FOUR_HOSTS)  # type: ignore[arg-type]
    assert found / 1e6 == pytest.approx(megabytes, rel=0.005)


def test_hosts_reached_under_grouped_top_k() -> None:
    """Sampled elsewhere as 3.115; at most 4 x 55 / 70 if every group taken were used; 3.614 without groups."""
    assert expected_hosts(MODEL, 4) == pytest.approx(3.115, rel=0.01)
    assert expected_hosts(MODEL, 4) < 4 * 55 / 70
    assert expected_parts(256, Routing(8), 4) == pytest.approx(3.614, rel=0.01)


def test_a_prompt_of_4096_tokens_over_one_25g_port() -> None:
    seconds = {
        backend: 4096 * prompt_port_bytes(MODEL, backend, "fp8", NEW, FOUR_HOSTS) / 3.125e9
        for backend in ("deepep_high_throughput", "deepep_low_latency", "allgather_reducescatter")
    }
    assert seconds["deepep_high_throughput"] == pytest.approx(1.31 + 2.55, rel=0.01)
    assert seconds["deepep_low_latency"] == pytest.approx(9.9, rel=0.01)
    assert seconds["allgather_reducescatter"] == pytest.approx(0.57 + 1.09, rel=0.01)


def test_tensor_and_pipeline_traffic() -> None:
    assert stage_bytes(MODEL) == 28_672
    assert tensor_bytes(MODEL, 1) == 0
    assert tensor_bytes(MODEL, 8) == 2 * 61 * 14_336 * 2 * 7 / 8


@given(hosts=st.integers(1, 16), per_host=st.sampled_from([1, 2, 4, 8]), backend=st.sampled_from(sorted(SCHEMES)))
def test_nothing_leaves_a_lone_host_and_nothing_is_negative(hosts: int, per_host: int, backend: str) -> None:
    over = Spread(hosts * per_host, hosts)
    sent = copies_sent(MODEL, backend, over)
    assert sent >= 0
    assert (sent == 0) == (hosts == 1)
    assert port_bytes(MODEL, backend, "fp8", NEW, over) >= 0


@given(parts=st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128, 256]))
def test_a_token_reaches_no_more_parts_than_it_has_experts(parts: int) -> None:
    assert 1 <= expected_parts(256, MODEL.routing, parts) <= min(parts, 8)
