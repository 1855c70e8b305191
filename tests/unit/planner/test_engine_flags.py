"""The tables of flags, variables, metrics and defaults: complete against the published one, and true to the sources."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.engine.defaults import (
    DEFAULTS,
    default,
    max_num_batched_tokens,
    max_num_seqs,
)
from ansible_collections.moefleet.serving.plugins.module_utils.planner.engine.flag_names import (
    DOUBTFUL,
    EXAMINED,
    GONE,
    KNOWN,
    NEVER,
    NOT_YET,
    names_at,
    standing,
)
from ansible_collections.moefleet.serving.plugins.module_utils.planner.engine.flags import (
    ENVIRONMENT,
    FLAGS,
    METRICS,
    SHORT,
    Lifetime,
)
from ansible_collections.moefleet.serving.plugins.module_utils.planner.versions import version

Published = Callable[[str], list[dict[str, str]]]
SOURCES = ("0.9.2", "0.10.2", "0.12.0", "0.19.1", "0.33.0")
GIB = 2**30


def first_version(text: str) -> str | None:
    found = re.findall(r"\d+\.\d+(?:\.\d+)?", text)
    return found[0] if found else None


def entries(row: dict[str, str]) -> list[tuple[str, Lifetime | None]]:
    """The table's entries for a published row, which may name several."""
    text = row["flag"]
    if text.startswith("env "):
        return [(text[4:], ENVIRONMENT.get(text[4:]))]
    if text.startswith("metric "):
        return [(text[7:], METRICS.get(text[7:]))]
    return [(flag, FLAGS.get(flag)) for flag in re.findall(r"--[a-z0-9-]+", text)]


def test_every_published_row_is_in_the_tables_as_published(published: Published) -> None:
    seen = 0
    for row in published("vllm_flags"):
        found = entries(row)
        assert found, row
        for name, lifetime in found:
            assert lifetime is not None, name
            introduced = version((first_version(row["introduced"]) or "").removeprefix("<="))
            # The oldest release compared is 0.8.4; "or earlier" and 0.8.5 are the same to every release that matters.
            assert lifetime.introduced == (version("0.8.4") if introduced < version("0.9.0") else introduced), name
            removed, deprecated = first_version(row["removed"]), first_version(row["deprecated"])
            assert lifetime.removed == (version(removed) if removed else None), name
            if deprecated:
                assert lifetime.deprecated == version(deprecated), name
            if row["renamed_to"]:
                assert (lifetime.replaced_by or "nothing") in row["renamed_to"], name
            seen += 1
    assert seen > 60


def test_published_short_forms(published: Published) -> None:
    for row in published("vllm_flags"):
        long = re.match(r"--[a-z0-9-]+", row["flag"])
        for short in re.findall(r"(?<=[( ])-[a-z]+", row["flag"]) if long else []:
            assert SHORT[short][0] in row["flag"], short


@pytest.mark.parametrize("release", SOURCES)
def test_names_are_those_of_the_sources(data_dir: Path, release: str) -> None:
    listed = set((data_dir / "vllm" / f"flags-{release}.txt").read_text(encoding="utf-8").split())
    assert set(names_at(version(release))) - {"--help"} == listed - {"--help"}
    table = {flag for flag, lifetime in FLAGS.items() if lifetime.covers(version(release))}
    assert table <= listed
    assert not (set(FLAGS) - table) & listed


@pytest.mark.parametrize(
    ("flag", "release", "expected"),
    [
        ("--num-redundant-experts", "0.11.0", KNOWN),
        ("--num-redundant-experts", "0.19.1", GONE),
        ("--num-redundant-experts", "0.11.2", DOUBTFUL),
        ("--eplb-rebalance-freq", "0.19.1", NEVER),
        ("--duration", "0.33.0", NEVER),
        ("--dp-sync-interval", "0.19.1", NOT_YET),
        ("--dp-sync-interval", "0.30.0", DOUBTFUL),
        ("--tensor-parallel-size", "0.34.0", KNOWN),
        ("--swap-space", "0.8.5", DOUBTFUL),
    ],
)
def test_standing(flag: str, release: str, expected: str) -> None:
    assert standing(flag, version(release)) == expected


@pytest.mark.parametrize(
    ("name", "release", "value"),
    [
        ("gpu_memory_utilization", "0.19.1", 0.9),
        ("gpu_memory_utilization", "0.20.0", 0.92),
        ("api_server_count", "0.14.1", 1),
        ("api_server_count", "0.16.0", None),
        ("all2all_backend", "0.10.2", "naive"),
        ("all2all_backend", "0.12.0", "allgather_reducescatter"),
        ("eplb.use_async", "0.22.0", False),
        ("eplb.use_async", "0.23.0", True),
        ("async_scheduling", "0.13.0", False),
        ("async_scheduling", "0.14.0", None),
        ("VLLM_USE_DEEP_GEMM", "0.10.2", "0"),
        ("VLLM_USE_DEEP_GEMM", "0.11.0", "1"),
        ("data_parallel_rpc_port", "0.33.0", 29550),
    ],
)
def test_defaults_that_moved(name: str, release: str, value: object) -> None:
    assert default(name, version(release)) == value


def test_a_default_the_release_does_not_have_is_an_error() -> None:
    with pytest.raises(KeyError):
        default("dp_sync_interval", version("0.19.1"))


def test_every_history_is_in_order() -> None:
    for name, history in DEFAULTS.items():
        releases = [since for since, _value in history]
        assert releases == sorted(set(releases)), name
        assert all(one[1] != other[1] for one, other in zip(history, history[1:])), name
    assert list(EXAMINED) == sorted(EXAMINED)


def test_sizes_that_nobody_gave() -> None:
    new, old = version("0.20.0"), version("0.19.1")
    h20, large = 96 * GIB, 180 * GIB
    assert max_num_batched_tokens(new, h20, "deepep_low_latency", True) == 256
    assert max_num_batched_tokens(new, h20, "deepep_low_latency", False) == 8192
    assert max_num_batched_tokens(old, h20, "deepep_low_latency", True) == 8192
    assert max_num_batched_tokens(new, 48 * GIB, None, True) == 2048
    assert max_num_batched_tokens(version("0.28.0"), large, None, True) == 16384
    assert max_num_batched_tokens(version("0.24.0"), large, None, True) == 8192
    assert (max_num_seqs(h20), max_num_seqs(48 * GIB)) == (1024, 256)
