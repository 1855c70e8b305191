"""Link settings against what is wanted: what the tool has no answer for is unknown, which is no pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import ethtool
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import NOT_FOUND, Result

from .conftest import FakeHost

DATA = Path(__file__).resolve().parents[2] / "data" / "host_network" / "ethtool"
PORT = "ens1f0np0"


def said(name: str) -> str:
    return (DATA / f"{name}.txt").read_text(encoding="utf-8")


@pytest.fixture
def port(host: FakeHost) -> FakeHost:
    """A port that answers."""
    host.answers = {
        ("ethtool", "-i", PORT): Result(0, said("driver")),
        ("ethtool", "--show-fec", PORT): Result(0, said("show_fec_old")),
        ("ethtool", "-c", PORT): Result(0, said("coalesce")),
    }
    return host


def checks(host: FakeHost, **wanted: Any) -> list[tuple[str, str | None, str]]:
    found = ethtool.checks({"name": PORT, **wanted}, 25000, host.run)
    return [(check.setting, check.observed, check.verdict) for check in found]


def test_output_of_both_generations_is_read() -> None:
    assert ethtool.fec(said("show_fec_old")) == (("auto",), "rs")
    assert ethtool.fec(said("show_fec_new")) == (("auto", "off", "baser", "rs"), "baser")


def test_firmware_without_the_boards_identity() -> None:
    assert ethtool.driver(said("driver")) == ethtool.Driver("mlx5_core", "24.10-3.2.5", "26.43.2566", "0000:b1:00.0")


def test_what_the_driver_has_not_is_left_out() -> None:
    found = ethtool.coalescing(said("coalesce"))
    assert found["adaptive-rx"] == "on"
    assert (found["rx-usecs"], found["tx-frames"]) == ("8", "128")
    assert "rx-usecs-irq" not in found


def test_everything_as_wanted(port: FakeHost) -> None:
    wanted = {"name": PORT, "speed": 25, "fec": "rs", "firmware": "26.43.2566", "driver": "mlx5_core"}
    found = ethtool.checks({**wanted, "coalesce": {"adaptive-rx": True, "rx-usecs": 8}}, 25000, port.run)
    assert {(check.setting, check.verdict) for check in found} == {
        (setting, "ok") for setting in ("speed", "fec", "firmware", "driver", "adaptive-rx", "rx-usecs")
    }


def test_what_differs_comes_with_the_command_that_sets_it(port: FakeHost) -> None:
    found = ethtool.checks({"name": PORT, "fec": "baser", "coalesce": {"adaptive-rx": False}}, 25000, port.run)
    assert [(check.observed, check.verdict, check.fix) for check in found] == [
        ("rs", "differs", ("ethtool", "--set-fec", PORT, "encoding", "baser")),
        ("on", "differs", ("ethtool", "-C", PORT, "adaptive-rx", "off")),
    ]


def test_negotiated_is_what_is_configured_not_what_came_out(port: FakeHost) -> None:
    assert checks(port, fec="auto") == [("fec", "auto", "ok")]


def test_a_wrong_speed_has_no_command(port: FakeHost) -> None:
    (check,) = ethtool.checks({"name": PORT, "speed": 25}, 10000, port.run)
    assert (check.observed, check.wanted, check.verdict, check.fix) == ("10", "25", "differs", ())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Result(1, "", "netlink error: Operation not supported"), "netlink error: Operation not supported"),
        (Result(NOT_FOUND, "", "ethtool: not installed"), "ethtool is not installed"),
        (Result(0, "FEC parameters for x:\n"), "ethtool names no active encoding; is the link up?"),
    ],
)
def test_no_answer_is_unknown_with_its_reason(port: FakeHost, answer: Result, reason: str) -> None:
    port.answers[("ethtool", "--show-fec", PORT)] = answer
    (check,) = ethtool.checks({"name": PORT, "fec": "rs"}, 25000, port.run)
    assert (check.verdict, check.observed, check.reason) == ("unknown", None, reason)


def test_a_link_that_is_down_has_no_speed(port: FakeHost) -> None:
    (check,) = ethtool.checks({"name": PORT, "speed": 25}, None, port.run)
    assert (check.verdict, check.reason) == ("unknown", "the link is down, or its driver has no speed")


def test_a_setting_that_the_driver_lacks_is_unknown(port: FakeHost) -> None:
    assert checks(port, coalesce={"rx-usecs-irq": 4}) == [("rx-usecs-irq", None, "unknown")]


def test_only_what_is_asked_for_is_looked_at(port: FakeHost) -> None:
    port.asked.clear()
    assert checks(port) == []
    assert port.asked == []
