"""Of a host: driver, kernel, RDMA, the collective library's environment."""

from __future__ import annotations

from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, WARN

from .model import Captured

EIGHT = ["18", "2A", "3A", "5D", "9A", "AB", "BA", "DB"]
BUSES = [f"00000000:{bus}:00.0" for bus in EIGHT]

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

HOSTS = [
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
]
