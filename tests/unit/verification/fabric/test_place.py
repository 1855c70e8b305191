"""What a host has to measure with: tools, RDMA device with GID, GPUs, a running service; on a tree of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.place import look


class Systemd:
    """Answers what a unit's state is."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str]) -> Result:
        self.asked.append(" ".join(argv))
        return Result(0 if self.state == "active" else 3, f"{self.state}\n" if self.state else "")


def put(root: Path, path: str, content: str = "", mode: int = 0o644) -> None:
    """Write a file of the tree."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    file.chmod(mode)


def host(root: Path) -> None:
    """A host of the reference cluster."""
    put(root, "usr/bin/ping", mode=0o755)
    put(root, "usr/bin/ib_write_bw", mode=0o755)
    put(root, "usr/bin/iperf3", mode=0o644)
    put(root, "opt/nccl-tests/build/all_reduce_perf", mode=0o755)
    put(root, "sys/class/net/eth1/mtu", "9000\n")
    port = "sys/class/infiniband/mlx5_0/ports/1"
    for index, gid, kind in ((0, "fe80::1", "RoCE v2"), (3, "0000:0000:0000:0000:0000:ffff:c0a8:010a", "RoCE v2")):
        put(root, f"{port}/gids/{index}", gid)
        put(root, f"{port}/gid_attrs/types/{index}", kind)
        put(root, f"{port}/gid_attrs/ndevs/{index}", "eth1")
    for bus in ("18", "2a"):
        (root / f"proc/driver/nvidia/gpus/0000:{bus}:00.0").mkdir(parents=True)


def test_a_host_of_the_reference_cluster(tmp_path: Path) -> None:
    host(tmp_path)
    systemd = Systemd("inactive")
    files = ["/opt/nccl-tests/build/all_reduce_perf", "/opt/nccl-tests/build/alltoall_perf"]
    seen = look(systemd, "eth1", unit="moefleet-vllm.service", files=files, root=tmp_path)
    assert seen == {
        "tools": {"ping": "/usr/bin/ping", "ib_write_bw": "/usr/bin/ib_write_bw"},
        "files": files[:1],
        "rdma": {"device": "mlx5_0", "port": 1, "gid_index": 3},
        "rdma_reason": "",
        "gpus": 2,
        "mtu": 9000,
        "service": "inactive",
    }
    assert systemd.asked == [f"chroot {tmp_path} systemctl is-active moefleet-vllm.service"]


def test_a_bare_host(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/net/eth1/mtu", "1500\n")
    seen = look(Systemd("active"), "eth1", unit="moefleet-vllm.service", root=tmp_path)
    assert (seen["tools"], seen["rdma"], seen["gpus"], seen["service"]) == ({}, None, 0, "active")
    assert "no RDMA device behind eth1" in seen["rdma_reason"]


@pytest.mark.parametrize("interface", ["", "eth9"])
def test_without_an_interface_there_is_no_device(tmp_path: Path, interface: str) -> None:
    seen = look(Systemd(""), interface, root=tmp_path)
    assert (seen["rdma"], seen["mtu"], seen["service"]) == (None, None, None)
    assert seen["rdma_reason"]


def test_a_device_without_a_usable_gid_is_none(tmp_path: Path) -> None:
    host(tmp_path)
    put(tmp_path, "sys/class/infiniband/mlx5_0/ports/1/gid_attrs/types/3", "IB/RoCE v1")
    seen = look(Systemd(""), "eth1", root=tmp_path)
    assert seen["rdma"] is None
    assert "no RoCE v2 GID" in seen["rdma_reason"]


def test_where_systemd_says_nothing_the_state_is_unknown(tmp_path: Path) -> None:
    assert look(Systemd(""), "", unit="x.service", root=tmp_path)["service"] is None
