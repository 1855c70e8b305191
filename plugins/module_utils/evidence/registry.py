# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every tool that can be read: its name, its parser, and what its judgement takes from ``context``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import (
    bench_serve,
    collective,
    dcb,
    dkms,
    driver_packages,
    eplb_log,
    ethtool,
    gids,
    gpu_links,
    ib_port,
    interface_match,
    iperf3,
    kernel_log,
    kernel_module,
    limits,
    lldp,
    nccl_environment,
    nccl_log,
    nccl_tests,
    nvidia_smi,
    ofed,
    packages,
    pci_acs,
    perftest,
    ping,
    qos,
    secure_boot,
    systemd,
    traffic_class,
    vllm_output,
)
from .findings import Context, ContextError, real, table, whole
from .result import PASS, UNKNOWN, Evidence, clean_lines

Parse = Callable[[str, "Context | None"], Evidence]

# The lines of vllm bench serve, in their order.
_BENCH_LINES = (
    r"Successful requests:",
    r"Benchmark duration \(s\):",
    r"Output token throughput",
    r"Total [Tt]oken throughput",
    r"\w+ TTFT \(ms\):",
    r"\w+ TPOT \(ms\):",
    r"\w+ ITL \(ms\):",
    r"\w+ E2EL \(ms\):",
)

_QOS = ("pfc", "lossless_priority", "dscp", "trust", "dcbx")


@dataclass(frozen=True)
class Tool:
    """One tool. ``context`` names the keys that its parser's docstring explains."""

    name: str
    parse: Parse
    context: tuple[str, ...] = ()


def _parse_bench_serve(text: str, context: Context | None) -> Evidence:
    thresholds: dict[str, float] = {}
    given = {**{key: value for key, value in (context or {}).items() if _is_threshold(key)}}
    given.update(table(context, "thresholds") or {})
    for key in given:
        limit = real(given, key)
        if limit is not None:
            thresholds[key] = limit
    evidence = bench_serve.parse(text, whole(context, "requested"), thresholds)
    if evidence.verdict == PASS and not _in_order(clean_lines(text)):
        reason = "the lines are not in the order in which vllm bench serve prints them"
        return replace(evidence, verdict=UNKNOWN, reasons=(*evidence.reasons, reason))
    return evidence


def _in_order(lines: Sequence[str]) -> bool:
    start = next((place for place, line in enumerate(lines) if "Serving Benchmark Result" in line), 0)
    end = next((place for place in range(start + 1, len(lines)) if re.match(r"={20,}$", lines[place].strip())), None)
    stages = [
        stage for line in lines[start:end] for stage, pattern in enumerate(_BENCH_LINES) if re.match(pattern, line)
    ]
    return stages == sorted(stages)


def _is_threshold(key: str) -> bool:
    try:
        bench_serve.threshold_value({}, key)
    except KeyError:
        return False
    return True


_ALL = (
    Tool(nvidia_smi.TOOL, nvidia_smi.parse, ("expected_gpus", "driver_version", "fabric_required")),
    Tool(nvidia_smi.MIG_TOOL, nvidia_smi.parse_mig, ("expected_gpus",)),
    Tool(driver_packages.TOOL, driver_packages.parse, ("driver_version", "fabric_manager")),
    Tool(driver_packages.LOG_TOOL, driver_packages.parse_fabric_manager_log, ("driver_version",)),
    Tool(dkms.TOOL, dkms.parse, ("kernel", "modules", "versions")),
    Tool(kernel_module.TOOL, kernel_module.parse, ("kernel", "ofed", "requested", "version")),
    Tool(secure_boot.TOOL, secure_boot.parse, ("unsigned_modules",)),
    Tool(packages.CANDIDATES_TOOL, packages.parse_apt_candidates, ("version", "packages", "driver_versions")),
    Tool(packages.HISTORY_TOOL, packages.parse_apt_history, ("packages", "since")),
    Tool(packages.MODULES_TOOL, packages.parse_dnf_modules, ("stream", "module")),
    Tool(kernel_log.TOOL, kernel_log.parse, ("ignore_xids",)),
    Tool(ofed.TOOL, ofed.parse, ("version",)),
    Tool(gids.TOOL, gids.parse, ("subnet", "address", "devices", "interface", "gid_index")),
    Tool(ib_port.TOOL, ib_port.parse, ("devices", "active_mtu", "interface", "peer")),
    Tool(qos.MLNX_TOOL, qos.parse_mlnx_qos, _QOS),
    Tool(dcb.TOOL, dcb.parse, _QOS),
    Tool(ethtool.PAUSE_TOOL, ethtool.parse_pause, ("pfc", "rx", "tx")),
    Tool(
        ethtool.STATISTICS_TOOL,
        ethtool.parse_statistics,
        ("before", "lossless_priority", "maximum", "minimum", "zero"),
    ),
    Tool(
        traffic_class.TOOL,
        traffic_class.parse,
        ("dscp", "ecn", "nccl_ib_tc", "cma_roce_tos", "lossless_priority", "dscp_to_priority"),
    ),
    Tool(lldp.TOOL, lldp.parse, ("interfaces", "expected", "lossless_priority", "dscp")),
    Tool(pci_acs.TOOL, pci_acs.parse, ("bridges",)),
    Tool(limits.COMMAND_LINE_TOOL, limits.parse_kernel_command_line, ("wanted", "unwanted", "gdr_required")),
    Tool(systemd.LIMITS_TOOL, limits.parse_service_limits, ("memlock_bytes", "nofile")),
    Tool(nccl_environment.TOOL, nccl_environment.parse, ("expected", "dscp")),
    Tool(nccl_log.NCCL_TOOL, nccl_log.parse_nccl, ("gdr_required", "devices", "interfaces", "socket_allowed")),
    Tool(nccl_log.GLOO_TOOL, nccl_log.parse_gloo, ("etc_hosts", "hosts")),
    Tool(nccl_log.HOSTS_TOOL, nccl_log.parse_hosts, ("hosts",)),
    Tool(interface_match.HCA_TOOL, interface_match.parse_hca, ("NCCL_IB_HCA", "devices", "expected")),
    Tool(
        interface_match.INTERFACE_TOOL,
        interface_match.parse_interface,
        ("NCCL_SOCKET_IFNAME", "interfaces", "expected"),
    ),
    Tool(perftest.BANDWIDTH_TOOL, perftest.parse_bandwidth, ("minimum_gbit_s", "line_rate_gbit_s", "unit")),
    Tool(
        perftest.LATENCY_TOOL,
        perftest.parse_latency,
        ("message_bytes", "maximum_average_us", "maximum_p99_us", "maximum_p999_us"),
    ),
    Tool(nccl_tests.TOOL, nccl_tests.parse, ("minimum_busbw_gbyte_s", "ranks", "size_bytes")),
    Tool(gpu_links.P2P_TOOL, gpu_links.parse_p2p, ("expected_gpus", "minimum_gbyte_s", "low_share", "latency")),
    Tool(gpu_links.TOPOLOGY_TOOL, gpu_links.parse_topology, ("expected_gpus", "nvlink")),
    Tool(
        iperf3.TOOL,
        iperf3.parse,
        ("minimum_bit_s", "line_rate_gbit_s", "maximum_loss_percent", "maximum_retransmits"),
    ),
    Tool(ping.TOOL, ping.parse, ("maximum_loss_percent", "maximum_us")),
    Tool(
        collective.TOOL,
        collective.parse,
        ("operation", "bytes", "ranks", "hosts", "transports", "minimum_busbw_gbyte_s"),
    ),
    Tool(vllm_output.HELP_TOOL, vllm_output.parse_help, ("flags", "required")),
    Tool(vllm_output.LOG_TOOL, vllm_output.parse_log, ("data_parallel_size_local", "minimum_kv_cache_tokens")),
    Tool(eplb_log.TOOL, eplb_log.parse, ("minimum_balancedness",)),
    Tool(bench_serve.TOOL, _parse_bench_serve, ("requested", "thresholds")),
)

TOOLS: dict[str, Tool] = {tool.name: tool for tool in _ALL}


def parse(tool: str, text: str, context: Mapping[str, Any] | None = None) -> Evidence:
    """Read a tool's output.

    Args:
        tool: one of ``TOOLS``.
        text: the output.
        context: what the judgement needs; None values are as if not given.

    Returns:
        The evidence. A context that can't be used makes it unknown, never a pass.

    Raises:
        KeyError: there is no such tool.
    """
    entry = TOOLS[tool]
    try:
        return entry.parse(text.lstrip("\ufeff"), context)
    except ContextError as error:
        return Evidence(tool, {}, UNKNOWN, (str(error),))
