"""A unit sees exactly the variables that were planned."""

from __future__ import annotations

from pathlib import Path

from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

PLANNED = {
    "NCCL_SOCKET_IFNAME": "=eth1",
    "NCCL_IB_GID_INDEX": "3",
    "NCCL_DEBUG_FILE": '/tmp/nccl "%h" $HOME it\'s \\n',
    "GLOO_SOCKET_IFNAME": "eth1",
}
FILE = "/etc/moefleet/nccl.env"


def seen_by_a_unit(host: Host) -> dict[str, str]:
    """What a process gets of the file, through systemd as the service does."""
    words = host.check_output(f"systemd-run --quiet --pipe --wait --property=EnvironmentFile={FILE} /usr/bin/env")
    pairs = dict(line.split("=", 1) for line in words.splitlines() if "=" in line)
    return {name: value for name, value in pairs.items() if name.startswith(("NCCL_", "GLOO_"))}


def test_a_unit_gets_every_value_as_planned(host: Host) -> None:
    assert seen_by_a_unit(host) == PLANNED


def test_only_root_changes_it(host: Host) -> None:
    file = host.file(FILE)
    assert (file.user, file.group, file.mode) == ("root", "root", 0o644)


def test_a_variable_that_is_not_planned_is_foretold_and_taken_out(converge: Path, machines: dict[str, Host]) -> None:
    first, second = hosts.NAMES
    machines[first].check_output(f"echo NCCL_IB_DISABLE=1 >> {FILE}")

    foretold = hosts.played(converge, "--check", "--diff")
    assert (foretold.changed(first), foretold.changed(second)) == (1, 0)
    assert "-NCCL_IB_DISABLE=1" in foretold.output
    assert "NCCL_IB_DISABLE" in seen_by_a_unit(machines[first])

    mended = hosts.played(converge)
    assert (mended.changed(first), mended.changed(second)) == (1, 0)
    assert seen_by_a_unit(machines[first]) == PLANNED


def test_an_empty_value_is_refused_by_name_and_nothing_is_written(converge: Path, machines: dict[str, Host]) -> None:
    asked = {"nccl_environment": {"NCCL_IB_GID_INDEX": "", "NCCL_IB_TC": "  ", "NCCL_DEBUG": "WARN", "NCCL_NET": 0}}
    words = hosts.refused(converge, variables=asked)
    assert "no value for NCCL_IB_GID_INDEX, NCCL_IB_TC." in words
    assert seen_by_a_unit(machines["mol-0"]) == PLANNED
