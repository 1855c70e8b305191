"""Every distribution names the package of every program that the role verify may be asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.commands import PAIR_TOOLS
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.place import TOOLS

VARS = Path(__file__).resolve().parents[3] / "roles" / "verify" / "vars"
SYSTEMS = ("debian12", "ubuntu22.04", "ubuntu24.04", "rhel9")


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_program_has_a_package(system: str) -> None:
    packages = yaml.safe_load((VARS / f"{system}.yml").read_text(encoding="utf-8"))["_verify_tools_packages"]
    assert {tool.program for tool in PAIR_TOOLS} | {"lspci"} == set(packages)
    assert set(packages) <= set(TOOLS), "what is installed is looked for"
    assert packages["ib_write_bw"] == packages["ib_write_lat"] == "perftest"
