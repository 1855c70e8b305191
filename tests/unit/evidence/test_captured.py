"""Captured outputs of the tools, each with its right answer; and what dressing, cutting and shuffling do to them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import registry
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import (
    FAIL,
    PASS,
    UNKNOWN,
    WARN,
    Evidence,
)

DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"

EIGHT = ["18", "2A", "3A", "5D", "9A", "AB", "BA", "DB"]
BUSES = [f"00000000:{bus}:00.0" for bus in EIGHT]


@dataclass(frozen=True)
class Captured:
    """An output and what is right. `complete`: a part of it can be told from the whole."""

    tool: str
    file: str
    verdict: str
    values: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    complete: bool = True
    part: tuple[int | None, ...] = (None,)

    def __str__(self) -> str:
        return f"{self.tool}-{self.file}-{self.verdict}"

    @property
    def text(self) -> str:
        lines = (DATA / self.file).read_bytes().decode("utf-8").splitlines(keepends=True)
        return "".join(lines[slice(*self.part)])

    def judge(self, text: str | None = None) -> Evidence:
        return registry.parse(self.tool, self.text if text is None else text, self.context)


TRAFFIC_CLASSES = {
    "a": (PASS, 26, 0, 3, True),
    "b": (PASS, 26, 2, 3, True),
    "c": (FAIL, 6, 2, 0, False),
    "d": (WARN, 26, 2, 3, True),
    "e": (FAIL, 46, 0, 5, False),
    "f": (PASS, 24, 0, 3, True),
    "g": (PASS, 26, 0, 3, True),
    "h": (FAIL, None, None, None, False),
}

CAPTURED = [
    Captured(
        "driver_packages",
        "D01_dpkg_list.txt",
        FAIL,
        {
            "driver_version": "550.127.05",
            "fabric_manager_version": "550.90.07",
            "match": False,
            "held": ["nvidia-fabricmanager-550"],
        },
        reasons=("unhold it, install exactly 550.127.05 and hold",),
    ),
    *(
        Captured(
            tool,
            "D01_fm_journal.txt",
            FAIL,
            {"driver_version": "550.127.05", "fabric_manager_version": "550.90.07", "match": False, "started": False},
            reasons=("550.90.07 does not go with driver 550.127.05",),
        )
        for tool in ("driver_packages", "fabric_manager_log")
    ),
    Captured(
        "nvidia_smi",
        "D02_smi_q_fabric_in_progress.txt",
        FAIL,
        {"gpus": 8, "fabric_ready": False, "not_ready": ["00000000:AB:00.0"], "driver_version": "550.127.05"},
        reasons=("00000000:AB:00.0: fabric state In Progress",),
    ),
    Captured(
        "nvidia_smi",
        "D02_smi_q_fabric_ok.txt",
        PASS,
        {"gpus": 8, "fabric_ready": True, "not_ready": [], "missing": [], "power_w": None, "bus_ids": BUSES},
        {"expected_gpus": 8},
    ),
    Captured("nvidia_smi", "D02_smi_q_seven_gpus.txt", FAIL, {"gpus": 7}, {"expected_gpus": 8}, ("7 of 8 GPUs",)),
    Captured(
        "nvidia_smi",
        "D02_smi_q_seven_gpus.txt",
        FAIL,
        {"gpus": 7, "missing": ["00000000:DB:00.0"]},
        {"expected_gpus": BUSES},
        ("missing: 00000000:DB:00.0",),
    ),
    Captured(
        "apt_candidates",
        "D04_apt_madison.txt",
        FAIL,
        {"candidates": ["550.163.01", "550.144.03"], "matches": []},
        {"version": "550.127.05"},
        ("there are 550.163.01, 550.144.03",),
    ),
    Captured(
        "apt_candidates",
        "D04_apt_madison.txt",
        PASS,
        {"matches": ["550.144.03-1", "550.144.03-0ubuntu0.22.04.1"], "common": ["550.144.03"]},
        {"version": "550.144.03", "driver_versions": ["550.144.03-0ubuntu0.22.04.1", "550.127.05"]},
        complete=False,
    ),
    Captured(
        "dkms_status",
        "D12_dkms_status_v3.txt",
        FAIL,
        {"installed": {"nvidia": False, "mlnx-ofed-kernel": True}, "missing": ["nvidia"]},
        {"kernel": "5.15.0-122-generic"},
        ("nvidia is not installed for kernel 5.15.0-122-generic", "not the one that dkms built"),
        complete=False,
    ),
    Captured(
        "dkms_status",
        "D12_dkms_status_v3.txt",
        PASS,
        {"installed": {"nvidia": True, "mlnx-ofed-kernel": True}, "missing": []},
        {"kernel": "5.15.0-119-generic\n", "modules": ["nvidia", "mlnx-ofed-kernel"]},
        complete=False,
    ),
    Captured(
        "secure_boot",
        "D13_secureboot.txt",
        FAIL,
        {"enabled": True, "key_rejected": True},
        reasons=("mokutil --import",),
    ),
    Captured(
        "nvidia_mig",
        "D18_mig_query.csv",
        FAIL,
        {"not_off": [3, 6], "gpus": 8, "unsupported": [7]},
        {"expected_gpus": 8},
        ("GPU 3: MIG is Enabled now and Disabled after a reset", "GPU 6"),
    ),
    Captured(
        "nvidia_smi",
        "D23_smi_power_535plus.xml",
        PASS,
        {"gpus": 1, "power_w": 112.40, "power_limit_w": 500.00, "driver_version": "550.127.05", "fabric_ready": None},
    ),
    Captured(
        "kernel_log",
        "O01_dmesg_peermem.txt",
        FAIL,
        {"peer_memory_mismatch": True, "xids": [], "missing_gpus": []},
        reasons=("OFED was installed after the driver", "No GPU is at fault"),
    ),
    Captured(
        "module_info",
        "O09_modinfo_inbox.txt",
        FAIL,
        {"origin": "inbox", "name": "mlx5_ib", "kernel": "5.14.0-427.13.1.el9_4.x86_64"},
        {"ofed": True},
        ("although OFED was asked for",),
    ),
    Captured("module_info", "O09_modinfo_inbox.txt", FAIL, {"origin": "inbox"}, {"requested": "mlnx_ofed"}),
    Captured(
        "module_info",
        "O09_modinfo_inbox.txt",
        PASS,
        {"origin": "inbox"},
        {"kernel": "5.14.0-427.13.1.el9_4.x86_64"},
        complete=False,
    ),
    Captured(
        "ib_port",
        "O12_ibdev2netdev.txt",
        FAIL,
        {
            "netdev": {"mlx5_0": "ens1f0np0", "mlx5_1": "ens1f1np1", "mlx5_bond_0": "bond0"},
            "state": {"mlx5_0": "ACTIVE", "mlx5_1": "DOWN", "mlx5_bond_0": "ACTIVE"},
        },
        {"interface": "ens1f0"},
        ("a newer driver names it ens1f0np0",),
    ),
    Captured(
        "ib_port", "O12_ibdev2netdev.txt", PASS, {}, {"interface": "ens1f0np0", "devices": ["mlx5_0"]}, complete=False
    ),
    Captured(
        "gids",
        "R01_show_gids_plain.txt",
        PASS,
        {
            "index": {"mlx5_0": 3, "mlx5_1": 3},
            "address": {"mlx5_0": "10.77.3.21", "mlx5_1": "10.77.4.21"},
            "netdev": {"mlx5_0": "ens1f0np0", "mlx5_1": "ens2f0np0"},
        },
    ),
    Captured("gids", "R01_show_gids_plain.txt", PASS, {"index": {"mlx5_1": 3}}, {"subnet": "10.77.4.0/24"}),
    Captured(
        "gids",
        "R01_show_gids_linklocal_only.txt",
        FAIL,
        {"index": {"mlx5_0": None}, "address": {"mlx5_0": None}},
        reasons=("no GID of RoCE v2 with an IPv4 address",),
    ),
    Captured("gids", "R03_show_gids_node1.txt", PASS, {"index": {"mlx5_0": 5}}, {"address": "10.77.3.21"}),
    Captured("gids", "R03_show_gids_node1.txt", FAIL, {"index": {"mlx5_0": 5}}, {"gid_index": 3}, ("set it by host",)),
    Captured("gids", "R03_show_gids_node2.txt", PASS, {"index": {"mlx5_0": 3}}, {"subnet": "10.77.3.0/24"}),
    Captured(
        "environment_file",
        "R06_nccl_empty_gid.env",
        FAIL,
        {
            "variables": {
                "NCCL_SOCKET_IFNAME": "=ens1f0np0",
                "NCCL_IB_HCA": "=mlx5_0",
                "NCCL_IB_GID_INDEX": "",
                "NCCL_IB_TC": "106",
            }
        },
        reasons=("NCCL_IB_GID_INDEX is set to nothing",),
        complete=False,
    ),
    *(
        Captured(
            "traffic_class",
            "R08_tc_table.csv",
            verdict,
            {"dscp": dscp, "ecn": ecn, "priority": priority, "consistent": consistent},
            complete=False,
            # The header and this row.
            part=(0, row + 1, row),
        )
        for row, (verdict, dscp, ecn, priority, consistent) in enumerate(TRAFFIC_CLASSES.values(), start=1)
    ),
    Captured("traffic_class", "R12_traffic_class_sysfs.txt", PASS, {"traffic_class": 106, "dscp": 26}, complete=False),
    Captured("traffic_class", "R12_traffic_class_sysfs.txt", PASS, {}, {"dscp": 26, "nccl_ib_tc": 106}),
    Captured(
        "traffic_class",
        "R12_traffic_class_sysfs.txt",
        FAIL,
        {"dscp": 26, "consistent": False},
        {"nccl_ib_tc": 96},
        ("traffic class 96 is DSCP 24",),
    ),
    *(
        Captured(
            "mlnx_qos",
            file,
            PASS,
            {"trust": "dscp", "dcbx": "os", "pfc": [0, 0, 0, 1, 0, 0, 0, 0], "buffer": buffer},
            {"dscp": 26, "lossless_priority": 3, "pfc": True},
        )
        for file, buffer in (
            ("R14_mlnx_qos_old_ok.txt", None),
            ("R14_mlnx_qos_new_ok.txt", [0, 0, 0, 1, 0, 0, 0, 0]),
        )
    ),
    Captured("mlnx_qos", "R14_mlnx_qos_old_ok.txt", PASS),
    Captured(
        "mlnx_qos",
        "R14_mlnx_qos_new_bad.txt",
        FAIL,
        {"trust": "pcp", "dcbx": "firmware", "pfc": [0] * 8, "dscp_to_priority": None},
        reasons=("trusts pcp", "controlled by the firmware", "PFC is off"),
    ),
    Captured(
        "ib_port",
        "R17_ibv_devinfo_node1.txt",
        PASS,
        {"active_mtu": {"mlx5_0": 4096, "mlx5_1": 4096}, "state": {"mlx5_0": "ACTIVE", "mlx5_1": "ACTIVE"}},
        {"active_mtu": 4096, "devices": ["mlx5_0", "mlx5_1"]},
    ),
    Captured(
        "ib_port",
        "R17_ibv_devinfo_node2.txt",
        FAIL,
        {"active_mtu": {"mlx5_0": 1024, "mlx5_1": 4096}, "state": {"mlx5_0": "ACTIVE", "mlx5_1": "DOWN"}},
        reasons=("4200 or more",),
    ),
    Captured("hca_match", "N01_hca_match.json", FAIL, reasons=("NCCL_IB_HCA=rdma0,rdma1 selects nothing",)),
    Captured(
        "pci_acs",
        "N07_lspci_acs.txt",
        FAIL,
        {"bad_bridges": ["17:00.0"], "bridges": 2},
        reasons=("ACS is on in bridge 17:00.0 (SrcValid, ReqRedir, CmpltRedir, UpstreamFwd)",),
    ),
    Captured("pci_acs", "N07_lspci_acs.txt", PASS, {"bad_bridges": []}, {"bridges": ["0000:29:00.0"]}),
    Captured("service_limits", "N10_systemctl_show.txt", FAIL, part=(0, 4)),
    Captured("service_limits", "N10_systemctl_show.txt", PASS, {"nofile": 1048576}, part=(4, 8), complete=False),
    Captured("service_limits", "N10_systemctl_show.txt", PASS, {"nofile": 1048576}, part=(8, 12), complete=False),
    Captured("service_limits", "N10_systemctl_show.txt", FAIL, {"memlock_bytes": 65536}, part=(12, None)),
    Captured("service_limits", "N10_systemctl_show.txt", FAIL, {"memlock_bytes": 65536, "nofile": 65530}),
    Captured(
        "nccl_debug",
        "N17_nccl_debug_socket.log",
        FAIL,
        {"transport": "socket", "interfaces": ["ens1f0np0"], "version": "2.21.5"},
        reasons=("TCP",),
    ),
    Captured(
        "nccl_debug",
        "N17_nccl_debug_ib_gdr.log",
        PASS,
        {"transport": "ib_gdr", "devices": ["mlx5_0"], "interfaces": ["ens1f0np0"]},
        {"gdr_required": True},
    ),
    Captured("gloo_log", "V26_gloo.log", FAIL, {"loopback_ranks": [8]}, reasons=("GLOO_SOCKET_IFNAME",)),
    Captured(
        "etc_hosts", "V26_etc_hosts.txt", FAIL, {"loopback_names": ["gpu-a02"]}, {"hosts": ["gpu-a01", "gpu-a02"]}
    ),
    Captured("etc_hosts", "V26_etc_hosts.txt", PASS, {"loopback_names": []}, {"hosts": ["gpu-a01"]}, complete=False),
    *(
        Captured(
            "ib_bandwidth",
            file,
            PASS,
            {
                "bandwidth_gbit_s": bandwidth,
                "peak_gbit_s": peak,
                "message_bytes": size,
                "rows": rows,
                "bidirectional": False,
            },
            {"line_rate_gbit_s": 25},
        )
        for file, bandwidth, peak, size, rows in (
            ("B01_ib_write_bw_MB.txt", 24.456, 24.47, 65536, 1),
            ("B01_ib_write_bw_Gb.txt", 24.46, 24.47, 65536, 1),
            ("B02_ib_write_bw_duration.txt", 24.46, None, 65536, 1),
            ("B03_perftest_valid.json", 24.46, 24.47, 65536, 1),
            ("B06_ib_write_bw_all_sizes.txt", 24.453, 24.47, 8388608, 23),
        )
    ),
    Captured(
        "ib_bandwidth",
        "B06_ib_write_bw_failed.txt",
        FAIL,
        {"bandwidth_gbit_s": None, "peak_gbit_s": None, "rows": None},
        reasons=("nvidia_peermem", "dmabuf"),
    ),
    Captured(
        "ib_latency",
        "B05_ib_write_lat.txt",
        PASS,
        {"average_us": 1.83, "p99_us": 2.30, "p999_us": 6.20, "message_bytes": 2},
    ),
    Captured(
        "nccl_tests",
        "B07_nccl_allreduce_4x8_25g.txt",
        PASS,
        {"busbw_gbyte_s": 5.80, "size_bytes": 8589934592, "wrong_values": 0, "ranks": 2},
    ),
    Captured(
        "nccl_tests",
        "B08_nccl_alltoall_na.txt",
        PASS,
        {"busbw_gbyte_s": 4.17, "in_place_busbw_gbyte_s": 4.15, "wrong_values": 0, "ranks": 1},
    ),
    Captured(
        "nccl_tests",
        "B08_nccl_wrong_values.txt",
        FAIL,
        {"busbw_gbyte_s": 5.80, "wrong_values": 131072, "ranks": None},
        reasons=("131072 values are wrong",),
    ),
    Captured("iperf3", "B13_iperf3_error.json", FAIL, {"received_bit_s": None}, reasons=("No route to host",)),
    Captured(
        "iperf3",
        "B14_iperf3_warning_prefix.txt",
        PASS,
        {"received_bit_s": 23.498e9, "sent_bit_s": 23.51e9, "retransmits": 12, "loss_percent": None},
        {"line_rate_gbit_s": 25},
    ),
    Captured(
        "p2p_bandwidth", "B17_p2p_ok.txt", PASS, {"median_gbyte_s": 376.50, "pairs": 56, "low_pairs": [], "gpus": 8}
    ),
    Captured(
        "p2p_bandwidth",
        "B17_p2p_one_bad_pair.txt",
        FAIL,
        {"median_gbyte_s": 376.50, "pairs": 56, "low_pairs": [[2, 6], [6, 2]]},
        reasons=("GPU 2 to GPU 6: 31.4 GB/s", "GPU 6 to GPU 2: 31.1 GB/s"),
    ),
    Captured(
        "nvidia_topology",
        "B18_topo_ansi.txt",
        PASS,
        {
            "gpus": 8,
            "nic_affinity": {"mlx5_0": ["GPU0", "GPU1"], "mlx5_1": ["GPU4", "GPU5"]},
            "numa": {f"GPU{gpu}": int(gpu > 3) for gpu in range(8)},
        },
        {"expected_gpus": 8, "nvlink": True},
        complete=False,
    ),
    *(
        Captured("vllm_help", file, PASS, {"flags": flags}, {"flags": list(flags)}, complete=False)
        for file, flags in (
            (
                "V07_help_flat_flags.txt",
                {"num-redundant-experts": "yes", "eplb-config": "no", "all2all-backend": "no", "no-enable-eplb": "yes"},
            ),
            (
                "V07_help_eplb_config.txt",
                {"num-redundant-experts": "no", "eplb-config": "yes", "--all2all_backend": "yes"},
            ),
        )
    ),
    Captured("vllm_log", "V27_kv_new.log", FAIL, {"requested_length": 163840, "suggested_length": 93456}),
    Captured(
        "vllm_log",
        "V02_config_mismatch.log",
        FAIL,
        {"mismatched_engine": 9, "mismatched_node": 1, "mismatched_local_rank": 1},
        {"data_parallel_size_local": 8},
    ),
    Captured("vllm_bench_serve", "B11_bench_all_failed_rc0.txt", FAIL, {"completed": 0}),
    Captured("vllm_bench_serve", "B11_bench_new_label.txt", PASS, {"failed": 0}, {"requested": 1000}, complete=False),
    Captured("vllm_bench_serve", "B11_bench_result.json", FAIL, {"requested": 500, "failed": 69}),
]
PASSING = [captured for captured in CAPTURED if captured.verdict in (PASS, WARN)]


@pytest.mark.parametrize("captured", CAPTURED, ids=str)
def test_right_answer(captured: Captured) -> None:
    evidence = captured.judge()
    assert evidence.verdict == captured.verdict, evidence.reasons
    assert {name: evidence.values[name] for name in captured.values} == captured.values
    text = "\n".join(evidence.reasons)
    for reason in captured.reasons:
        assert reason in text


@pytest.mark.parametrize("captured", CAPTURED, ids=str)
def test_line_ends_colours_tags_and_surroundings_change_nothing(captured: Captured) -> None:
    plain = captured.judge()
    text = captured.text
    lines = text.rstrip("\n").split("\n")
    dressed = {
        "line ends": text.replace("\n", "\r\n"),
        "colours": "\n".join(f"\x1b[1;32m{line}\x1b[0m" for line in lines) + "\n",
        "surroundings": f"INFO starting the probe\n\n{text}\nINFO done, all is well\n",
        "byte order mark": "\ufeff" + text,
    }
    if captured.tool != "gloo_log":  # there, the tag says which rank it is
        dressed["tags"] = "\n".join(f"[1,0]<stdout>:{line}" for line in lines) + "\n"
    for what, variant in dressed.items():
        assert captured.judge(variant) == plain, what


@pytest.mark.parametrize("captured", CAPTURED, ids=str)
def test_a_part_never_passes_wrongly(captured: Captured) -> None:
    whole = captured.text.rstrip()
    places = {
        *range(0, len(whole), max(1, len(whole) // 60)),
        *(place for place, sign in enumerate(whole) if sign == "\n"),
    }
    for place in places:
        _is_no_better(captured, whole[:place])


@pytest.mark.parametrize("captured", CAPTURED, ids=str)
def test_shuffled_lines_never_pass_wrongly(captured: Captured) -> None:
    lines = captured.text.split("\n")
    for seed in range(20):
        _is_no_better(captured, "\n".join(random.Random(seed).sample(lines, len(lines))), same_values=False)


@given(st.sampled_from(CAPTURED), st.data())
def test_cut_and_shuffled_anywhere(captured: Captured, data: st.DataObject) -> None:
    whole = captured.text.rstrip()
    _is_no_better(captured, whole[: data.draw(st.integers(0, len(whole) - 1))])
    lines = captured.text.split("\n")
    data.draw(st.randoms(use_true_random=False)).shuffle(lines)
    _is_no_better(captured, "\n".join(lines), same_values=False)


def _is_no_better(captured: Captured, text: str, same_values: bool = True) -> None:
    """A part may pass only where the whole does, and only with the same values."""
    evidence = captured.judge(text)
    if evidence.verdict == PASS and captured.complete:
        assert captured.verdict in (PASS, WARN)
        assert not same_values or evidence.values == captured.judge().values


@pytest.mark.parametrize("tool", registry.TOOLS)
@pytest.mark.parametrize("text", ["", "\n \n", "bash: tool: command not found\n", "{}", "[]", "[{}]", "null", "\x00"])
def test_nothing_to_read_is_unknown(tool: str, text: str) -> None:
    evidence = registry.parse(tool, text)
    assert (evidence.tool, evidence.verdict) == (tool, UNKNOWN)
    assert evidence.reasons


@settings(deadline=None, max_examples=15)
@pytest.mark.parametrize("tool", registry.TOOLS)
@given(data=st.data())
def test_any_text_and_any_context_are_read_without_raising(tool: str, data: st.DataObject) -> None:
    odd: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-2, 10) | st.floats() | st.text(max_size=5)
    odd = odd | st.lists(odd, max_size=3) | st.dictionaries(st.text(max_size=3), odd, max_size=2)
    keys = registry.TOOLS[tool].context
    context = data.draw(st.dictionaries(st.sampled_from(keys), odd, max_size=3)) if keys else {}
    own = [captured.text for captured in CAPTURED if captured.tool == tool]
    source = st.text() | st.sampled_from(own) if own else st.text()
    evidence = registry.parse(tool, data.draw(source), context)
    assert evidence.verdict in {PASS, WARN, FAIL, UNKNOWN}


def test_an_unusable_context_is_unknown_and_says_so() -> None:
    evidence = registry.parse("nvidia_smi", CAPTURED[4].text, {"expected_gpus": "eight"})
    assert evidence.verdict == UNKNOWN
    assert "expected_gpus" in evidence.reasons[0]


def test_there_is_no_such_tool() -> None:
    with pytest.raises(KeyError):
        registry.parse("nvidia-smi", "")


# What two tools may both read.
SHARED = {
    ("driver_packages", "D01_fm_journal.txt"),
    ("nvidia_mig", "D02_smi_q_fabric_in_progress.txt"),
    ("nvidia_mig", "D02_smi_q_fabric_ok.txt"),
    ("nvidia_mig", "D02_smi_q_seven_gpus.txt"),
    ("nvidia_mig", "D23_smi_power_535plus.xml"),
    ("hca_match", "O12_ibdev2netdev.txt"),
    ("hca_match", "R17_ibv_devinfo_node1.txt"),
    ("hca_match", "R17_ibv_devinfo_node2.txt"),
    *((captured.tool, captured.file) for captured in CAPTURED),
}


@pytest.mark.parametrize("tool", registry.TOOLS)
def test_another_tools_output_never_passes(tool: str) -> None:
    for file in sorted({captured.file for captured in CAPTURED}):
        if (tool, file) not in SHARED:
            text = (DATA / file).read_text(encoding="utf-8")
            assert registry.parse(tool, text).verdict not in (PASS, WARN), file
