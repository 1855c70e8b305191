# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The command of each tool, as data: what runs at both ends of a pair, on one host, and on all hosts together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .steps import PROGRAM, Read

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class Endpoint:
    """A host as measurements see it.

    ``rdma`` is the device with its port and GID index; ``rdma_planned`` and ``gpus_planned`` are what should be there,
    so that what is missing is told from what this place can't have.
    """

    name: str
    address: str
    interface: str
    tools: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    rdma: Mapping[str, Any] | None = None
    rdma_reason: str = ""
    rdma_planned: bool = False
    gpus: int = 0
    gpus_planned: int = 0
    mtu: int | None = None
    python: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Endpoint:
        """Read a host of the role: ``name``, ``address``, ``interface``, what is planned, and ``seen``.

        Raises:
            KeyError, TypeError, ValueError: something of it is missing or of another kind.
        """
        seen: Mapping[str, Any] = entry.get("seen") or {}
        mtu = seen.get("mtu")
        return cls(
            name=str(entry["name"]),
            address=str(entry["address"]).partition("/")[0],
            interface=str(entry.get("interface") or ""),
            tools=dict(seen.get("tools") or {}),
            files=tuple(seen.get("files") or ()),
            rdma=seen.get("rdma"),
            rdma_reason=str(seen.get("rdma_reason") or ""),
            rdma_planned=bool(entry.get("rdma_planned")),
            gpus=int(seen.get("gpus") or 0),
            gpus_planned=int(entry.get("gpus_planned") or 0),
            mtu=None if mtu is None else int(mtu),
            python=str(entry.get("python") or ""),
            environment={str(name): str(value) for name, value in (entry.get("environment") or {}).items()},
        )


@dataclass(frozen=True)
class Settings:
    """How often and how long. Times in seconds.

    Attributes:
        repeats: runs of each command that count. warmup: runs before them.
        seconds: length of a bandwidth run.
        streams: TCP connections of an iperf3 run.
        pings: packets of a ping run.
        iterations: messages of an RDMA latency run.
        port: the first of five TCP ports: of iperf3, perftest, the group, a host alone, and where both ends meet.
        traffic_class: of RDMA packets, from the plan; None leaves the device's own.
        wait_s: how long one end waits for the other.
        ranks_per_host, backend, group_bytes, group_iterations, group_seconds, group_timeout_s: of the collective run;
            group_seconds is the longest time of one size.
        gdr_required: GPUs' memory must be reached directly by the RDMA device.
        program: the text of the collective program. pairs_program: of the one that measures between GPUs.
        nccl_tests: the directory that nccl-tests were built in.
    """

    repeats: int = 10
    warmup: int = 1
    seconds: float = 5
    streams: int = 4
    pings: int = 100
    iterations: int = 5000
    port: int = 5201
    traffic_class: int | None = None
    wait_s: float = 60
    ranks_per_host: int = 1
    backend: str = "gloo"
    group_bytes: tuple[int, ...] = (64, KIB, MIB, 8 * MIB)
    group_iterations: int = 20
    group_seconds: float = 1
    group_timeout_s: float = 120
    gdr_required: bool = False
    program: str = ""
    pairs_program: str = ""
    nccl_tests: str = ""

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Settings:
        """Read the role's settings; what isn't given is as above.

        Raises:
            TypeError, ValueError: an unknown name, or no number where one is needed.
        """
        numbers = {"seconds": float, "wait_s": float, "group_seconds": float, "group_timeout_s": float}
        words = {"backend": str, "program": str, "pairs_program": str, "nccl_tests": str}
        read: dict[str, Any] = {}
        for name, value in entry.items():
            if name == "group_bytes":
                read[name] = tuple(int(size) for size in value)
            elif name == "gdr_required":
                read[name] = bool(value)
            elif name == "traffic_class":
                read[name] = None if value in (None, "") else int(value)
            else:
                read[name] = {**numbers, **words}.get(name, int)(value)
        return cls(**read)


@dataclass(frozen=True)
class PairTool:
    """A tool that measures from one host to another.

    ``client`` and ``server`` give the commands; a tool without a server needs nobody on the other end. ``run_s`` is how
    long a run takes when all is well.
    """

    program: str
    needs_rdma: bool
    reads: tuple[Read, ...]
    client: Callable[[Endpoint, Endpoint, Settings], tuple[str, ...]]
    server: Callable[[Endpoint, Settings], tuple[str, ...]] | None
    run_s: Callable[[Settings], float]


def _ping(one: Endpoint, other: Endpoint, settings: Settings) -> tuple[str, ...]:
    interval = ("-i", "0.01", "-W", "1")
    return ("ping", "-n", "-q", "-c", str(settings.pings), *interval, "-I", one.address, other.address)


def _iperf3(one: Endpoint, other: Endpoint, settings: Settings) -> tuple[str, ...]:
    place = ("-c", other.address, "-B", one.address, "-p", str(settings.port))
    return ("iperf3", "-J", *place, "-t", f"{settings.seconds:g}", "-P", str(settings.streams))


def _iperf3_server(other: Endpoint, settings: Settings) -> tuple[str, ...]:
    # One client, then it ends: nothing is left behind.
    return ("iperf3", "-s", "-1", "-B", other.address, "-p", str(settings.port))


def _perftest(
    program: str, size: int, load: Callable[[Settings], tuple[str, ...]]
) -> tuple[Callable[[Endpoint, Endpoint, Settings], tuple[str, ...]], Callable[[Endpoint, Settings], tuple[str, ...]]]:
    """Both ends of a perftest run: the same words, and the client says whom it asks (over TCP, on the data network)."""

    def server(host: Endpoint, settings: Settings) -> tuple[str, ...]:
        rdma = host.rdma or {}
        traffic = () if settings.traffic_class is None else (f"--tclass={settings.traffic_class}",)
        device = ("-d", str(rdma.get("device")), "-i", str(rdma.get("port", 1)), "-x", str(rdma.get("gid_index")))
        # -F: a processor whose frequency changes is no error.
        return (program, *device, "-s", str(size), "-F", "-p", str(settings.port + 1), *traffic, *load(settings))

    def client(one: Endpoint, other: Endpoint, settings: Settings) -> tuple[str, ...]:
        return (*server(one, settings), other.address)

    return client, server


def _latency_tool(check: str, size: int) -> PairTool:
    client, server = _perftest("ib_write_lat", size, lambda settings: ("-n", str(settings.iterations)))
    reads = (Read(check, "ib_latency", {"message_bytes": size}),)
    # A message each way takes at most some hundred microseconds, and setting up a connection a second.
    return PairTool("ib_write_lat", True, reads, client, server, lambda settings: 1 + settings.iterations * 0.001)


def _bandwidth_tool(check: str, size: int) -> PairTool:
    # perftest takes whole seconds.
    client, server = _perftest(
        "ib_write_bw", size, lambda settings: ("-D", str(max(round(settings.seconds), 1)), "--report_gbits")
    )
    return PairTool(
        "ib_write_bw", True, (Read(check, "ib_bandwidth"),), client, server, lambda settings: settings.seconds
    )


PAIR_TOOLS: tuple[PairTool, ...] = (
    PairTool(
        "ping",
        False,
        (Read("ip_round_trip", "ping"), Read("ip_loss", "ping", {"maximum_loss_percent": 100})),
        _ping,
        None,
        lambda settings: settings.pings * 0.02,
    ),
    PairTool(
        "iperf3",
        False,
        (Read("tcp_bandwidth", "iperf3"),),
        _iperf3,
        _iperf3_server,
        lambda settings: settings.seconds,
    ),
    _latency_tool("rdma_latency_64b", 64),
    _latency_tool("rdma_latency_1mb", MIB),
    _bandwidth_tool("rdma_bandwidth_1mb", MIB),
)


def p2p(host: Endpoint) -> tuple[str, ...]:
    """The command that measures between every two GPUs of a host; empty where it has neither tool."""
    if "nvbandwidth" in host.tools:
        return (host.tools["nvbandwidth"], "-t", "device_to_device_memcpy_read_ce", "device_to_device_latency_sm")
    if "p2pBandwidthLatencyTest" in host.tools:
        return (host.tools["p2pBandwidthLatencyTest"],)
    return ()


def gpu_pairs(host: Endpoint) -> tuple[str, ...]:
    """The command that measures between every two GPUs with the engine's own torch, which needs no other tool."""
    return (host.python, PROGRAM)


def nccl_tests(host: Endpoint, settings: Settings, program: str = "all_reduce_perf") -> tuple[str, ...]:
    """nccl-tests over the GPUs of one host, to 1 GiB, with every result checked; empty where they weren't built."""
    path = f"{settings.nccl_tests}/build/{program}"
    if path not in host.files:
        return ()
    return (path, "-b", "64", "-e", "1G", "-f", "4", "-g", str(host.gpus), "-c", "1")


def collective(
    head: Endpoint, host: Endpoint, settings: Settings, *, place: int, hosts: int, port: int = 0
) -> tuple[str, ...]:
    """The collective program on one host of ``hosts``; ``place`` is its number in the plan's order."""
    return (
        host.python,
        PROGRAM,
        f"--master={head.address}",
        f"--port={port or settings.port + 2}",
        f"--hosts={hosts}",
        f"--host={place}",
        f"--ranks-per-host={settings.ranks_per_host}",
        f"--backend={settings.backend}",
        f"--interface={host.interface}",
        f"--sizes={','.join(str(size) for size in settings.group_bytes)}",
        f"--iterations={settings.group_iterations}",
        f"--seconds={settings.group_seconds:g}",
        f"--timeout={settings.group_timeout_s:g}",
    )
