"""The module roce_qos: check mode foretells, the second run is silent, and what is missing is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.moefleet.serving.plugins.module_utils.roce import desired
from ansible_collections.moefleet.serving.plugins.modules import roce_qos

from ..roce.conftest import Bench, bench
from .conftest import RunModule


@pytest.fixture(params=["ofed", "inbox"])
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A port of each kind, whose tools the module runs."""
    made = bench(tmp_path, request.param)
    return connect(made, monkeypatch)


def connect(made: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Let the module run this host's tools."""
    monkeypatch.setattr(roce_qos, "run", made.run)
    return made


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The module's warnings. In a process that has loaded the controller's code they aren't part of its result."""
    words: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text: words.append(text))
    return words


def arguments(host: Bench, **more: Any) -> dict[str, Any]:
    return {"interface": "eth1", "subnet": "192.168.1.10", "root": str(host.root), **more}


def test_check_mode_foretells_the_run_and_changes_nothing(host: Bench, run_module: RunModule) -> None:
    foretold = run_module(roce_qos, check=True, **arguments(host))
    assert host.log == []
    done = run_module(roce_qos, **arguments(host))
    assert foretold["changed"]
    assert {name: foretold[name] for name in ("changed", "steps", "changed_settings", "diff")} == {
        name: done[name] for name in ("changed", "steps", "changed_settings", "diff")
    }
    assert "pfc = 0,0,0,0,0,0,0,0\n" in done["diff"]["before"]
    assert "pfc = 0,0,0,1,0,0,0,0\n" in done["diff"]["after"]
    again = run_module(roce_qos, **arguments(host))
    assert (again["changed"], again["steps"], again["diff"]) == (False, [], {})


def test_facts_tell_every_setting_by_itself(host: Bench, run_module: RunModule) -> None:
    run_module(roce_qos, **arguments(host))
    roce = run_module(roce_qos, check=True, **arguments(host))["roce"]
    assert (roce["interface"], roce["device"], roce["port"], roce["driver"]) == ("eth1", "mlx5_0", 1, "mlx5_core")
    assert roce["gid"] == {"index": 3, "gid": "0000:0000:0000:0000:0000:ffff:c0a8:010a", "address": "192.168.1.10"}
    assert (roce["mtu"], roce["active_mtu"], roce["active_mtu_from"]) == (9000, 4096, "ibv_devinfo")
    settings = roce["settings"]
    assert (settings["trust"], settings["pfc"], settings["cm_tos"]) == ("dscp", "0,0,0,1,0,0,0,0", "106")
    assert settings["tcp_ecn"] == "2"
    ofed = roce["backend"] == "ofed"
    assert settings["traffic_class"] == ("106" if ofed else None)
    assert ("traffic_class" in roce["unknown"]) == (not ofed)


def test_a_running_service_is_told_in_check_mode_too(host: Bench, run_module: RunModule) -> None:
    host.port.state["units"]["moefleet-vllm.service"] = ["loaded", "active"]
    for check in (True, False):
        assert "Stop the service" in run_module(roce_qos, check=check, **arguments(host))["msg"]
    assert host.log == []


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"dscp": 106}, "as a traffic class it is DSCP 26 with ECN 2, so write dscp: 26"),
        ({"dscp": 46}, "dscp 46 goes to priority 5 by default (DSCP // 8), not to 3"),
        ({"traffic_class": 26}, "traffic class 26 is DSCP 6 (priority 0 by default)"),
        ({"cnp_dscp": 26, "cnp_priority": 3}, "priority 3 is lossless and the notifications' too"),
        ({"class_shares": [50, 60, 0, 0, 0, 0, 0, 0], "class_algorithms": ["ets"] * 8}, "110 together, not 100"),
        ({"subnet": "192.168.1.300"}, "subnet"),
    ],
)
def test_choices_that_do_not_fit_are_refused(
    host: Bench, run_module: RunModule, choices: dict[str, Any], words: str
) -> None:
    assert words in run_module(roce_qos, **arguments(host, **choices))["msg"]
    assert host.log == []


def test_other_ecn_bits_are_a_warning(host: Bench, run_module: RunModule, warned: list[str]) -> None:
    run_module(roce_qos, **arguments(host, traffic_class=104))
    assert any("ECN bits are 0, not 2" in words for words in warned)


@pytest.mark.parametrize("present", [True, False])
def test_a_host_without_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_module: RunModule, warned: list[str], present: bool
) -> None:
    made = connect(Bench(tmp_path, bench(tmp_path / "other", "rxe").port), monkeypatch)
    state = "present" if present else "absent"
    foretold = run_module(roce_qos, check=True, **arguments(made, state=state))
    assert (foretold["changed"], foretold["roce"]) == (present, {})
    done = run_module(roce_qos, **arguments(made, state=state))
    if present:
        assert "no interface eth1" in done["msg"]
        assert any("can't be known" in words for words in warned)
    else:
        assert not done["changed"]


def test_options_are_the_programs_settings() -> None:
    """What the module takes, the host's own file holds."""
    names = {*roce_qos.argument_spec()} - {*roce_qos.OTHER}
    assert names == {*desired.Desired.__dataclass_fields__}
    defaults = {name: entry.get("default") for name, entry in roce_qos.argument_spec().items() if name in names}
    del defaults["interface"]
    fresh = desired.from_mapping({"interface": "eth1", **defaults})
    assert fresh == desired.Desired("eth1")
