"""The reboot contract of host_tuning: said without permission, done with it, and seen to have taken effect.

The role's own tasks and module run on directories that are hosts with a small boot loader. Only going down is played: a
role in the place of host_reboot starts the next kernel, or another one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
ROLE = REPOSITORY / "roles" / "host_tuning"
UPDATE_GRUB = """#!/bin/sh
. /etc/default/grub
for x in /etc/default/grub.d/*.cfg; do if [ -e "$x" ]; then . "$x"; fi; done
printf '### BEGIN /etc/grub.d/10_linux ###\\nlinux /boot/vmlinuz ro %s\\n### END /etc/grub.d/10_linux ###\\n' \\
  "$GRUB_CMDLINE_LINUX" > /boot/grub/grub.cfg
"""
# Host → may it be rebooted, and does the reboot start the kernel with the words.
HOSTS = {"forbidden": (False, True), "allowed": (True, True), "other_entry": (True, False)}
REBOOT = [
    {
        "ansible.builtin.copy": {
            "dest": "{{ root }}/proc/cmdline",
            "content": "BOOT_IMAGE=/boot/vmlinuz ro {{ 'iommu=pt' if starts_it else '' }}\n",
            "mode": "0644",
        },
        "check_mode": False,
    },
    {
        "ansible.builtin.copy": {
            "dest": "{{ root }}/asked.json",
            "content": "{{ {'reasons': host_reboot_reasons, 'gates': host_reboot_gates} | to_json }}",
            "mode": "0644",
        }
    },
]
PLAYBOOK = [
    {
        "hosts": "all",
        "gather_facts": False,
        "vars": {
            "__host_tuning_machine": {"machine": {"container": "", "cpu_vendor": "AuthenticAMD"}},
            "host_tuning_iommu": "passthrough",
            "host_tuning_reboot_gates": [["/usr/bin/true"]],
        },
        "module_defaults": {"moefleet.serving.boot_parameters": {"root": "{{ root }}"}},
        "tasks": [
            {"ansible.builtin.include_role": {"name": "moefleet.serving.host_tuning", "tasks_from": "boot.yml"}},
            {
                "ansible.builtin.copy": {
                    "dest": "{{ root }}/facts.json",
                    "content": "{{ [host_tuning_reboot_required, host_tuning_reboot_reasons] | to_json }}",
                    "mode": "0644",
                }
            },
        ],
    }
]
WHY = "the running kernel was started without iommu=pt"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root enters another root directory")


def host(root: Path) -> Path:
    """A directory with a shell and a boot loader."""
    for directory in ("proc", "boot/grub", "etc/default/grub.d", "usr/sbin", "usr/bin", "bin"):
        (root / directory).mkdir(parents=True)
    shell = Path("/bin/sh").resolve()
    shutil.copy(shell, root / "bin" / "sh")
    needed = subprocess.run(["ldd", shell], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+) \(0x", needed):
        (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, root / library[1:])
    for directory in ("usr/sbin", "usr/bin"):
        (root / directory / "update-grub").write_text(UPDATE_GRUB, encoding="utf-8")
        (root / directory / "update-grub").chmod(0o755)
    (root / "etc/default/grub").write_text('GRUB_CMDLINE_LINUX=""\n', encoding="utf-8")
    (root / "proc/cmdline").write_text("BOOT_IMAGE=/boot/vmlinuz ro\n", encoding="utf-8")
    subprocess.run(["chroot", root, "/bin/sh", "/usr/sbin/update-grub"], check=True)
    return root


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection whose host_reboot is played, an inventory of hosts, and the playbook."""
    directory = tmp_path_factory.mktemp("reboot")
    collection = directory / "collections/ansible_collections/moefleet/serving"
    (collection / "roles/host_reboot/tasks").mkdir(parents=True)
    (collection / "plugins").symlink_to(REPOSITORY / "plugins")
    (collection / "meta").symlink_to(REPOSITORY / "meta")
    (collection / "roles/host_tuning").symlink_to(ROLE)
    (collection / "roles/host_reboot/tasks/main.yml").write_text(yaml.safe_dump(REBOOT), encoding="utf-8")
    variables = {
        name: {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "root": str(host(directory / name)),
            "host_tuning_reboot_ok": allowed,
            "starts_it": starts,
        }
        for name, (allowed, starts) in HOSTS.items()
    }
    (directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": variables}}), encoding="utf-8")
    (directory / "play.yml").write_text(yaml.safe_dump(PLAYBOOK), encoding="utf-8")
    return directory


def play(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "hosts.yml", "play.yml", *arguments],
        cwd=directory,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(directory / "collections"),
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return " ".join((done.stdout + done.stderr).split())


def told(directory: Path, name: str) -> tuple[Any, Any]:
    """What the role left as facts, and what it asked of host_reboot; None where it didn't come to that."""
    files = [directory / name / file for file in ("facts.json", "asked.json")]
    facts, asked = [json.loads(file.read_text(encoding="utf-8")) if file.exists() else None for file in files]
    return facts, asked


def test_the_contract(directory: Path) -> None:
    """One playbook for all three hosts: each comes to its own end."""
    output = play(directory)
    assert told(directory, "forbidden") == ([True, [WHY]], None)
    assert f"forbidden needs a reboot: {WHY}. Allow it with host_tuning_reboot_ok: true." in output
    assert told(directory, "allowed") == ([False, []], {"reasons": [WHY], "gates": [["/usr/bin/true"]]})
    facts, asked = told(directory, "other_entry")
    assert facts is None
    assert asked == {"reasons": [WHY], "gates": [["/usr/bin/true"]]}
    assert f"other_entry was rebooted, and still {WHY}. Did another entry of the boot menu start it?" in output

    for file in directory.glob("allowed/*.json"):
        file.unlink()
    again = play(directory, "--limit=allowed")
    assert told(directory, "allowed") == ([False, []], None), "a host that runs what it should is not rebooted"
    assert re.search(r"allowed : ok=\d+ changed=1 ", again), "the one change is this test's own file"
