"""The module machine_facts: one look, no change."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.modules import machine_facts

from ..hosts.boot_loaders import put
from ..hosts.runner import Programs, printed
from ..hosts.test_machine import SHOW, TRACKING, units
from .conftest import RunModule


@pytest.mark.parametrize("check", [False, True])
def test_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: bool, run_module: RunModule) -> None:
    host = Programs({SHOW: units(chrony="active enabled"), "chronyc -c tracking": printed(TRACKING)})
    monkeypatch.setattr(commands, "run", host)
    put(tmp_path, "/proc/cpuinfo", "vendor_id\t: GenuineIntel\n")
    put(tmp_path, "/etc/dnf/automatic.conf", "[base]\n")
    asked = {"paths": ["/etc/dnf/automatic.conf", "/etc/systemd/*.conf.d/60-moefleet.conf"], "root": str(tmp_path)}
    result = run_module(machine_facts, check=check, **asked)
    assert result["changed"] is False
    assert result["machine"] == {
        "container": "",
        "cpu_vendor": "GenuineIntel",
        "existing": ["/etc/dnf/automatic.conf"],
        "clock": {
            "installed": ["chrony"],
            "active": ["chrony"],
            "synchronized": True,
            "offset_s": 0.000231145,
            "reason": "",
        },
    }
