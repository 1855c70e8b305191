"""Fixtures of all scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
import testinfra
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts


@pytest.fixture(scope="session")
def machines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Host]:
    """Every host by name."""
    directory = tmp_path_factory.mktemp("ssh")
    return {name: hosts.connect(name, directory) for name in hosts.NAMES}


@pytest.fixture(params=hosts.NAMES)
def host(request: pytest.FixtureRequest, machines: dict[str, Host]) -> Host:
    """Each host in turn."""
    return machines[cast(str, request.param)]


@pytest.fixture(scope="session")
def controller() -> Host:
    """This machine."""
    return testinfra.get_host("local://")


@pytest.fixture(scope="module")
def converge(request: pytest.FixtureRequest) -> Path:
    """The scenario's playbook, to be run again under other circumstances."""
    return request.path.parents[1] / "converge.yml"
