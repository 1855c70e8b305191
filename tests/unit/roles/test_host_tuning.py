"""The role host_tuning on every distribution, rendered: what is in its files and units, with nothing installed.

One playbook renders for all hosts of this file at once; each test looks at its own. Facts go in, and out come the
files, units and words that the role's tasks hand to its modules.
"""

from __future__ import annotations

import base64
import configparser
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
ROLE = REPOSITORY / "roles" / "host_tuning"
SYSTEMS = ("debian12", "ubuntu22.04", "ubuntu24.04", "rhel9")
SHOWN = {
    "files": "_host_tuning_wanted_files",
    "gone": "_host_tuning_gone",
    "lines": "_host_tuning_package_lines",
    "units": "_host_tuning_daemons + _host_tuning_clock_units + _host_tuning_boot_units",
    "settings": "_host_tuning_settings",
    "words": "_host_tuning_boot_words",
    "left": "_host_tuning_left",
    "keeper": "_host_tuning_keeper",
    "packages": "_host_tuning_coupled_packages",
}
NO_CLOCK: dict[str, Any] = {"installed": [], "active": [], "synchronized": None, "offset_s": None, "reason": ""}
METAL: dict[str, Any] = {"container": "", "cpu_vendor": "GenuineIntel", "existing": [], "clock": NO_CLOCK}
GPU_HOST = {
    "host_tuning_iommu": "passthrough",
    "host_tuning_acs": "off",
    "host_tuning_time_servers": ["10.0.1.1", "10.0.1.2"],
    "host_tuning_hugepages": 1024,
}
ACS_UNIT, SETTINGS_UNIT = "moefleet-pci-acs.service", "moefleet-machine-settings.service"


def keeping(program: str) -> dict[str, Any]:
    return {**NO_CLOCK, "installed": [program], "active": [program]}


# Name of a case → its system, what the host is, and the inventory's variables.
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    **{system: (system, METAL, GPU_HOST) for system in SYSTEMS},
    "container": ("debian12", {**METAL, "container": "systemd-nspawn"}, GPU_HOST),
    "defaults": ("ubuntu22.04", METAL, {}),
    "amd": (
        "rhel9",
        {**METAL, "cpu_vendor": "AuthenticAMD"},
        {**GPU_HOST, "host_tuning_boot_parameters": ["pci=realloc"]},
    ),
    "arm": ("ubuntu24.04", {**METAL, "cpu_vendor": ""}, GPU_HOST),
    "chrony_on_debian": ("debian12", {**METAL, "clock": keeping("chrony")}, GPU_HOST),
    "ntp": ("ubuntu22.04", {**METAL, "clock": keeping("ntp")}, {}),
    "nothing": (
        "ubuntu22.04",
        {
            **METAL,
            "existing": [
                "/etc/systemd/logind.conf.d/60-moefleet.conf",
                "/etc/systemd/timesyncd.conf.d/60-moefleet.conf",
                "/etc/apt/apt.conf.d/60-moefleet-unattended-upgrades",
                "/usr/local/libexec/moefleet/pci_acs.py",
                "/usr/local/libexec/moefleet/another_roles.py",
            ],
        },
        {
            "host_tuning_keep_ipc": False,
            "host_tuning_journal_max_use": "",
            "host_tuning_protect_packages": False,
            "host_tuning_package_lock_s": 0,
            "host_tuning_time_sync": False,
            "host_tuning_cpu_governor": "leave",
            "host_tuning_numa_balancing": "leave",
            "host_tuning_transparent_hugepages": "leave",
        },
    ),
}
PLAYBOOK = [
    {
        "hosts": "all",
        "gather_facts": False,
        "vars_files": ["roles/host_tuning/defaults/main.yml", "roles/host_tuning/vars/main.yml"],
        "vars": {"role_path": str(ROLE)},
        "tasks": [
            {"ansible.builtin.include_vars": {"file": str(ROLE / "vars") + "/{{ system }}.yml"}},
            {"ansible.builtin.include_vars": {"file": "{{ inventory_hostname }}.json"}},
            {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }}={{ shown | to_json | b64encode }};"}},
        ],
    }
]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Everything the role hands to its modules, by case."""
    directory = tmp_path_factory.mktemp("render")
    for name in ("roles", "collections"):
        (directory / name).symlink_to(REPOSITORY / name)
    (directory / "templates").symlink_to(ROLE / "templates")
    shown = "{{ {" + ", ".join(f"'{key}': {value}" for key, value in SHOWN.items()) + "} }}"
    for case, (_system, machine, variables) in CASES.items():
        registered = {"__host_tuning_machine": {"machine": machine}, "shown": shown, **variables}
        (directory / f"{case}.json").write_text(json.dumps(registered), encoding="utf-8")
    hosts = {case: {"ansible_connection": "local", "system": system} for case, (system, _, _) in CASES.items()}
    (directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
    (directory / "play.yml").write_text(yaml.safe_dump(PLAYBOOK), encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "hosts.yml", "play.yml"],
        cwd=directory,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "collections"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    found = dict(re.findall(r"([\w.]+)=([A-Za-z0-9+/=]+);", done.stdout))
    assert set(found) == set(CASES), done.stdout + done.stderr
    return {case: json.loads(base64.b64decode(text)) for case, text in found.items()}


def contents(case: Mapping[str, Any]) -> dict[str, str]:
    return {entry["path"]: entry["content"] for entry in case["files"]}


def units(case: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {unit["name"]: unit for unit in case["units"]}


def test_every_distribution_has_data() -> None:
    """And all the same names, so that no task meets one that isn't there."""
    names = {
        system: set(yaml.safe_load((ROLE / "vars" / f"{system}.yml").read_text(encoding="utf-8"))) for system in SYSTEMS
    }
    assert len(set(map(frozenset, names.values()))) == 1, names


@pytest.mark.parametrize("system", SYSTEMS)
def test_files_of_a_gpu_host(rendered: dict[str, dict[str, Any]], system: str) -> None:
    files = contents(rendered[system])
    assert (
        files["/etc/security/limits.d/60-moefleet.conf"] == "moefleet - memlock unlimited\nmoefleet - nofile 1048576\n"
    )
    assert files["/etc/systemd/logind.conf.d/60-moefleet.conf"].endswith("\n[Login]\nRemoveIPC=no\n")
    assert files["/etc/systemd/journald.conf.d/60-moefleet.conf"].endswith(
        "\n[Journal]\nStorage=persistent\nSystemMaxUse=4G\n"
    )
    for name in ("pci_acs.py", "machine_settings.py"):
        source = REPOSITORY / "plugins" / "module_utils" / "hosts" / name
        assert files[f"/usr/local/libexec/moefleet/{name}"] == source.read_text(encoding="utf-8"), (
            "no second implementation"
        )
    assert all(set(entry) == {"path", "content"} for entry in rendered[system]["files"])


@pytest.mark.parametrize("system", SYSTEMS)
def test_boot_units_come_before_the_service(rendered: dict[str, dict[str, Any]], system: str) -> None:
    ours = units(rendered[system])
    for name, argv in (
        (ACS_UNIT, ["/usr/bin/python3", "/usr/local/libexec/moefleet/pci_acs.py", "--scope", "devices"]),
        (
            SETTINGS_UNIT,
            ["/usr/bin/python3", "/usr/local/libexec/moefleet/machine_settings.py", *rendered[system]["settings"]],
        ),
    ):
        parser = configparser.RawConfigParser(strict=True)
        parser.read_string(ours[name]["content"])
        assert parser["Unit"]["Before"] == "moefleet-vllm.service"
        assert parser["Install"]["WantedBy"] == "multi-user.target"
        assert (parser["Service"]["Type"], parser["Service"]["RemainAfterExit"]) == ("oneshot", "yes")
        assert shlex.split(parser["Service"]["ExecStart"]) == argv
        assert (ours[name]["enabled"], ours[name]["active"]) == (True, True)
        assert ours[name]["configuration"] == [argv[1]], "a new program is run again"


def test_settings_are_those_asked_for(rendered: dict[str, dict[str, Any]]) -> None:
    assert rendered["debian12"]["settings"] == [
        "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor=performance",
        "/proc/sys/kernel/numa_balancing=0",
        "/sys/kernel/mm/transparent_hugepage/enabled=madvise",
        "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages=1024",
    ]
    assert not [words for words in rendered["defaults"]["settings"] if "hugepages-2048kB" in words]


def test_words_by_the_processors_vendor(rendered: dict[str, dict[str, Any]]) -> None:
    assert rendered["debian12"]["words"] == ["intel_iommu=on", "iommu=pt"]
    assert rendered["amd"]["words"] == ["iommu=pt", "pci=realloc"], "amd_iommu=on is no option that its driver knows"
    assert rendered["arm"]["words"] == []
    assert rendered["defaults"]["words"] == []


# Names that must never be upgraded alone, and one that must.
COUPLED = {
    "apt": "nvidia-driver-550-server-open libnvidia-nscq-550 nvidia-fabricmanager-550 cuda-toolkit-12-4 libnccl2"
    " mlnx-ofed-kernel-dkms doca-ofed linux-image-6.1.0-29-amd64 linux-headers-5.15.0-126-generic rdma-core",
    "dnf": "nvidia-driver nvidia-fabric-manager kmod-nvidia-open-dkms libnvidia-nscq-550 cuda-toolkit-12-4 libnccl"
    " mlnx-ofa_kernel doca-ofed kernel kernel-core kernel-devel rdma-core",
}
FREE = ("openssl", "libc6", "openssh-server", "mft-unrelated", "nvtop", "linux-libc-dev")


@pytest.mark.parametrize("system", ["debian12", "ubuntu22.04", "ubuntu24.04"])
def test_unattended_upgrades_leave_what_is_coupled(rendered: dict[str, dict[str, Any]], system: str) -> None:
    """The patterns are matched from the start of a name, as unattended-upgrades does."""
    text = contents(rendered[system])["/etc/apt/apt.conf.d/60-moefleet-unattended-upgrades"]
    assert "Unattended-Upgrade::Package-Blacklist {" in text
    patterns = re.findall(r'^  "(.*)";$', text, re.MULTILINE)
    assert len(patterns) == len(rendered[system]["packages"])
    for name in COUPLED["apt"].split():
        assert any(re.match(pattern, name) for pattern in patterns), name
    for name in FREE:
        assert not any(re.match(pattern, name) for pattern in patterns), name


@pytest.mark.parametrize("system", ["debian12", "ubuntu22.04", "ubuntu24.04"])
def test_apt_waits_for_another_apt(rendered: dict[str, dict[str, Any]], system: str) -> None:
    text = contents(rendered[system])["/etc/apt/apt.conf.d/60-moefleet-lock"]
    assert text.endswith('\nDPkg::Lock::Timeout "600";\n')


def test_dnf_automatic_leaves_what_is_coupled(rendered: dict[str, dict[str, Any]]) -> None:
    (line,) = rendered["rhel9"]["lines"]
    assert (line["path"], line["wanted"]) == ("/etc/dnf/automatic.conf", True)
    assert re.match(line["section"], "[base]")
    assert re.match(line["key"], line["line"])
    patterns = line["line"].removeprefix("excludepkgs=").split(",")
    for name in COUPLED["dnf"].split():
        assert any(fnmatchcase(name, pattern) for pattern in patterns), name
    assert not any(fnmatchcase(name, pattern) for name in FREE for pattern in patterns)
    assert not [path for path in contents(rendered["rhel9"]) if path.startswith("/etc/apt")]


def test_the_clock_where_there_was_no_keeper(rendered: dict[str, dict[str, Any]]) -> None:
    assert [rendered[system]["keeper"] for system in SYSTEMS] == ["timesyncd", "timesyncd", "timesyncd", "chrony"]
    timesyncd = contents(rendered["debian12"])["/etc/systemd/timesyncd.conf.d/60-moefleet.conf"]
    assert timesyncd.endswith("\n[Time]\nNTP=10.0.1.1 10.0.1.2\nFallbackNTP=\n")
    chrony = contents(rendered["rhel9"])["/etc/chrony.conf"].splitlines()
    assert chrony[1:4] == ["server 10.0.1.1 iburst", "server 10.0.1.2 iburst", "driftfile /var/lib/chrony/drift"]
    assert units(rendered["rhel9"])["chronyd.service"] == {
        "name": "chronyd.service",
        "enabled": True,
        "active": True,
        "configuration": ["/etc/chrony.conf"],
    }


def test_never_two_keepers(rendered: dict[str, dict[str, Any]]) -> None:
    """chrony is there: it gets the servers, and timesyncd neither a file nor a unit."""
    case = rendered["chrony_on_debian"]
    assert "/etc/chrony/chrony.conf" in contents(case)
    assert "/etc/systemd/timesyncd.conf.d/60-moefleet.conf" not in contents(case)
    assert "chrony.service" in units(case)
    assert "systemd-timesyncd.service" not in units(case)


def test_a_keeper_that_the_role_does_not_know_is_left_and_said(rendered: dict[str, dict[str, Any]]) -> None:
    assert rendered["ntp"]["left"] == ["clock: ntp keeps it"]
    assert set(units(rendered["ntp"])) == {"systemd-logind.service", "systemd-journald.service", SETTINGS_UNIT}


def test_without_servers_the_distributions_stay(rendered: dict[str, dict[str, Any]]) -> None:
    assert not [path for path in contents(rendered["defaults"]) if "timesyncd" in path or "chrony" in path]
    assert units(rendered["defaults"])["systemd-timesyncd.service"]["active"] is True


def test_isolation_is_given_up_only_when_asked(rendered: dict[str, dict[str, Any]]) -> None:
    assert ACS_UNIT not in units(rendered["defaults"])
    assert "/usr/local/libexec/moefleet/pci_acs.py" not in contents(rendered["defaults"])


def test_a_container_gets_what_is_its_own_and_says_what_was_left(rendered: dict[str, dict[str, Any]]) -> None:
    case = rendered["container"]
    assert set(units(case)) == {"systemd-logind.service", "systemd-journald.service"}
    assert {path.split("/")[2] for path in contents(case)} == {"security", "systemd", "apt"}
    assert case["left"] == [
        "settings of the machine, boot parameters, ACS, clock: the kernel is not this host's own (systemd-nspawn)"
    ]


def test_what_is_no_longer_wanted_goes_and_what_is_anothers_stays(rendered: dict[str, dict[str, Any]]) -> None:
    case = rendered["nothing"]
    assert list(contents(case)) == ["/etc/security/limits.d/60-moefleet.conf"]
    assert sorted(case["gone"]) == [
        "/etc/apt/apt.conf.d/60-moefleet-unattended-upgrades",
        "/etc/systemd/logind.conf.d/60-moefleet.conf",
        "/etc/systemd/timesyncd.conf.d/60-moefleet.conf",
        "/usr/local/libexec/moefleet/pci_acs.py",
    ]
    assert set(units(case)) == {"systemd-logind.service", "systemd-journald.service"}
