# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Figures of the network, of NVLink and of collectives. Units are in the entries; numbers are the reference document's.

Where a section gives no warning or failure for a bandwidth, its proportions of §4.4.1 stand: 30 and 50 % below.
"""

from __future__ import annotations

from functools import partial

from .model import (
    AT_LEAST,
    AT_MOST,
    COLLECTIVES,
    FABRIC,
    GROUP,
    HOST,
    MEAN,
    MEDIAN,
    NETWORK,
    NVLINK,
    PAIR,
    WATCHED,
    Acceptance,
    Threshold,
)

_PORT = "Spread the load, or plan for a faster port: the plan says what a faster one would give."
_LINK = (
    "Look at the link {host} -> {peer}: rate and errors of both ports (`ethtool`, `ethtool -S`), cable, switch port, "
    "limits (`tc qdisc show`), then measure the pair alone."
)
_GPU_LINK = "On {host}: `nvidia-smi nvlink --status`, `nvidia-smi topo -m`, and the fabric manager's journal."
_GROUP = "Find the slow link among the pairs first; then read NCCL's transport and its selection of devices."

# What the figures of a kind have in common; an entry that differs says so.
_link = partial(Acceptance, section=NETWORK, phase=FABRIC, scope=PAIR, statistic=MEAN, fix=_LINK)
_between_gpus = partial(
    Acceptance,
    section=NVLINK,
    phase=FABRIC,
    scope=HOST,
    tool="p2p_bandwidth",
    statistic=MEAN,
    needs=("gpu", "nvlink"),
    fix=_GPU_LINK,
)
_collective = partial(
    Acceptance, section=COLLECTIVES, phase=FABRIC, scope=GROUP, tool="collective", statistic=MEAN, fix=_GROUP
)

NETWORK_FIGURES = (
    _link(
        id="rdma_latency_64b",
        title="RDMA one-way latency, 64 B",
        tool="ib_latency",
        figure="average_us",
        unit="us",
        better=AT_MOST,
        thresholds=(
            Threshold("§4.4.1", 10, 15, 25),
            Threshold("§4.6.4", 10, 10, 20),
            Threshold("§7.1.3", 5, None, 5),
        ),
        needs=("rdma",),
        floor="message:64",
        low_share=0.5,
    ),
    _link(
        id="rdma_latency_1mb",
        title="RDMA one-way latency, 1 MiB",
        tool="ib_latency",
        figure="average_us",
        unit="us",
        better=AT_MOST,
        thresholds=(Threshold("§4.4.1", 100, 150, 200),),
        needs=("rdma",),
        floor="message:1048576",
        low_share=0.5,
    ),
    _link(
        id="rdma_bandwidth_1mb",
        title="RDMA bandwidth, 1 MiB",
        tool="ib_bandwidth",
        figure="bandwidth_gbit_s",
        unit="Gbit/s",
        better=AT_LEAST,
        thresholds=(Threshold("§4.4.1", 20, 18, 15), Threshold("§7.1.3", 22, None, 22)),
        needs=("rdma",),
        floor="line",
        low_share=0.5,
    ),
    _link(
        id="ip_round_trip",
        title="Round trip through the kernel",
        tool="ping",
        figure="round_trip_us",
        unit="us",
        better=AT_MOST,
        # The kernel's scheduling is in it: only what is far off says something about a link.
        low_share=0.2,
    ),
    _link(
        id="ip_loss",
        title="Packets lost",
        tool="ping",
        figure="loss_percent",
        unit="%",
        better=AT_MOST,
        thresholds=(Threshold("§4.6.4", 0.01, 0.01, 0.1),),
    ),
    _link(
        id="tcp_bandwidth",
        title="TCP bandwidth",
        tool="iperf3",
        figure="received_bit_s",
        unit="Gbit/s",
        better=AT_LEAST,
        floor="bare_line",
        scale=1e-9,
        low_share=0.5,
    ),
    _link(
        id="aggregate_bandwidth",
        title="All hosts at once, sum of their ports",
        scope=GROUP,
        tool="aggregate",
        figure="aggregate_gbit_s",
        unit="Gbit/s",
        better=AT_LEAST,
        thresholds=(
            Threshold("§7.1.3", 80, None, 80, needs=("gpu",)),
            Threshold("§4.4.2", 100, 70, 50, needs=("gpu",)),
            Threshold("§4.4.2 all-to-all", 90, 80, needs=("gpu",)),
            Threshold("§4.4.2 experts", 80, 70, needs=("gpu",)),
        ),
        floor="aggregate",
        fix="Pairs that are good alone and slow together share a bottleneck: the switch, or PFC without ECN.",
    ),
    _link(
        id="port_utilisation",
        phase=WATCHED,
        title="Use of the data port",
        scope=HOST,
        unit="%",
        better=AT_MOST,
        thresholds=(Threshold("§4.6.4", 70, 70, 85),),
        fix=_PORT,
    ),
)

NVLINK_FIGURES = (
    _between_gpus(
        id="nvlink_latency_64b",
        title="NVLink latency between GPUs of a host, small messages",
        figure="latency_us",
        unit="us",
        better=AT_MOST,
        thresholds=(Threshold("§4.4.1", 2, 3, 5),),
        low_share=0.5,
    ),
    _between_gpus(
        id="nvlink_bandwidth",
        title="NVLink bandwidth between GPUs of a host, one direction, median of all pairs",
        figure="median_gbyte_s",
        unit="GB/s",
        better=AT_LEAST,
        thresholds=(
            Threshold("§4.4.1", 400, 280, 200),
            # 1 MB in 10, 15 and 20 us: the same table's time for the same message is 100 GB/s.
            Threshold("§4.4.1 time", 100, 66.7, 50),
            # Both directions together.
            Threshold("§4.4.2", 900, 630, 450),
        ),
        floor="nvlink",
        low_share=0.8,
    ),
)

COLLECTIVE_FIGURES = (
    _collective(
        id="all_to_all_1kb",
        title="All-to-all of all ranks, 1 KB a rank",
        figure="time_us",
        unit="us",
        better=AT_MOST,
        thresholds=(
            Threshold("§4.4.1", 50, 75, 100, needs=("gpu",)),
            Threshold("§4.6.4", 50, 50, 100, needs=("gpu",)),
            Threshold("§7.1.3", 20, None, 20, needs=("gpu",)),
        ),
        floor="all_to_all_time:1024",
    ),
    _collective(
        id="all_to_all_1mb",
        title="All-to-all of all ranks, 1 MB a rank",
        figure="time_us",
        unit="us",
        better=AT_MOST,
        thresholds=(Threshold("§4.4.1", 500, 750, 1000, needs=("gpu",)),),
        floor="all_to_all_time:1000000",
    ),
    _collective(
        id="all_to_all_bandwidth_1kb",
        title="All-to-all of all ranks, 1 KB a rank, size by time",
        figure="algbw_gbyte_s",
        unit="GB/s",
        better=AT_LEAST,
        thresholds=(Threshold("§4.4.1", 5, 3.5, 2.5, needs=("gpu",)),),
        floor="all_to_all_bandwidth:1024",
    ),
    _collective(
        id="all_to_all_bandwidth_1mb",
        title="All-to-all of all ranks, 1 MB a rank, size by time",
        figure="algbw_gbyte_s",
        unit="GB/s",
        better=AT_LEAST,
        thresholds=(Threshold("§4.4.1", 15, 10.5, 7.5, needs=("gpu",)),),
        floor="all_to_all_bandwidth",
    ),
    _collective(
        id="all_to_all_bandwidth",
        title="All-to-all of all ranks, largest size, size by time",
        figure="algbw_gbyte_s",
        unit="GB/s",
        better=AT_LEAST,
        floor="all_to_all_bandwidth",
    ),
    _collective(
        id="all_reduce_bandwidth_host",
        title="All-reduce of one host's ranks, bus bandwidth",
        scope=HOST,
        figure="busbw_gbyte_s",
        unit="GB/s",
        better=AT_LEAST,
        statistic=MEDIAN,
        floor="all_reduce_host",
        fix=_GPU_LINK,
        low_share=0.5,
    ),
    _collective(
        id="all_reduce_bandwidth",
        title="All-reduce of all ranks, bus bandwidth",
        figure="busbw_gbyte_s",
        unit="GB/s",
        better=AT_LEAST,
        floor="all_reduce",
    ),
    _collective(
        id="collective_transport",
        title="What carries the collectives between hosts, by their own log",
        figure="transport",
        unit="",
        better=AT_LEAST,
        statistic=MEDIAN,
        fix="Read NCCL's log of the run: a missing device, GID or peer memory makes it fall back to TCP.",
    ),
)

FABRIC_FIGURES = NETWORK_FIGURES + NVLINK_FIGURES + COLLECTIVE_FIGURES
