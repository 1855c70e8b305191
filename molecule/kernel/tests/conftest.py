"""The guests, in the place of the other scenarios' hosts."""

from __future__ import annotations

from typing import cast

import pytest
import testinfra
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.guests.__main__ import GUESTS, SSH_CONFIG

NAMES = tuple(guest.name for guest in GUESTS)


@pytest.fixture(scope="session")
def machines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Host]:
    """Every guest by name."""
    control = tmp_path_factory.mktemp("ssh")
    arguments = f"-o ControlMaster=auto -o ControlPersist=60s -o ControlPath={control}/%C"
    return {
        name: testinfra.get_host(f"ssh://{name}", ssh_config=str(SSH_CONFIG), ssh_extra_args=arguments)
        for name in NAMES
    }


@pytest.fixture(params=NAMES)
def host(request: pytest.FixtureRequest, machines: dict[str, Host]) -> Host:
    """Each guest in turn."""
    return machines[cast(str, request.param)]
