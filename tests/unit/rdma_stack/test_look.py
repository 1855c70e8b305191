"""What is on a host is read: modules on disk and in the kernel, DKMS, Secure Boot, adapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result
from ansible_collections.moefleet.serving.plugins.module_utils.rdma_stack import judge, look, peer_memory
from ansible_collections.moefleet.serving.plugins.module_utils.rdma_stack.model import Seen, Wanted

DATA = Path(__file__).resolve().parents[2] / "data" / "ofed"
EL9 = "5.14.0-427.13.1.el9_4.x86_64"
SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
MODINFO = "modinfo {} is not found"


def text(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


class Commands:
    """Answers by command line; a module that isn't named is not found, as with modinfo."""

    def __init__(self, answers: Mapping[str, str | Result], kernel: str = EL9) -> None:
        self.answers = {"uname -r": f"{kernel}\n", **answers}
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str], timeout_s: float = 0.0) -> Result:  # noqa: ARG002 - a runner takes it
        command = " ".join(word for word in argv if not word.startswith("--basedir="))
        self.asked.append(command)
        answer = self.answers.get(command)
        if isinstance(answer, str):
            return Result(0, answer)
        if argv[0] == "modinfo" and answer is None:
            return Result(1, "", f"modinfo: ERROR: Module {argv[-1]} not found.")
        return answer or Result(127, "", f"{argv[0]}: No such file or directory")


def seen(root: Path, answers: Mapping[str, str | Result], kernel: str = EL9) -> Seen:
    return look.Host(root, Commands(answers, kernel)).see("moefleet-vllm.service")


def write(root: Path, files: Mapping[str, str]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")


def test_the_kernels_own_module_is_a_failure_where_ofed_was_asked(tmp_path: Path) -> None:
    answers = {
        f"modinfo --set-version {EL9} mlx5_ib": text("O09_modinfo_inbox.txt"),
        "ofed_info -s": "OFED-internal-24.10-1.1.4:\n",
    }
    host = seen(tmp_path, answers)
    module = host.disk["mlx5_ib"]
    assert (module.origin, module.kernel) == ("inbox", EL9)
    wanted = Wanted("doca", "3.2.0-1")
    found = judge.findings(wanted, host, peer_memory.decide(wanted, host))
    inbox = next(finding for finding in found if finding.code == "OFED_INBOX")
    assert "mlx5_ib.ko.xz" in inbox.what
    assert "24.10-1.1.4" in inbox.what


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("updates/dkms/mlx5_core.ko", "dkms"),
        ("updates/dkms/mlx5_core.ko.zst", "dkms"),
        ("extra/mlnx-ofa_kernel/drivers/net/ethernet/mellanox/mlx5/core/mlx5_core.ko", "extra"),
        ("weak-updates/mlnx-ofa_kernel/drivers/net/mlx5_core.ko", "weak-updates"),
        ("updates/drivers/net/mlx5_core.ko", "updates"),
        ("kernel/drivers/net/ethernet/mellanox/mlx5/core/mlx5_core.ko.xz", "inbox"),
    ],
)
def test_a_module_tells_by_its_path_what_it_came_by(path: str, origin: str) -> None:
    module = look.read_module("mlx5_core", f"filename:       /lib/modules/{EL9}/{path}\nvermagic:       {EL9} SMP\n")
    assert module is not None
    assert module.origin == origin


def test_a_built_in_module_is_the_kernels_own() -> None:
    module = look.read_module("ib_core", "name:           ib_core\nfilename:       (builtin)\nlicense:        GPL\n")
    assert module is not None
    assert (module.path, module.origin) == ("", "inbox")


def test_versions_and_open_modules_are_read() -> None:
    module = look.read_module(
        "nvidia",
        f"filename:       /lib/modules/{EL9}/extra/nvidia.ko\nversion:        550.144.03\n"
        "license:        Dual MIT/GPL\n"
        f"srcversion:     0A1B2C3D4E5F60718293A4B\nvermagic:       {EL9} SMP preempt mod_unload modversions\n",
    )
    assert module is not None
    assert (module.version, module.srcversion, module.open) == ("550.144.03", "0A1B2C3D4E5F60718293A4B", True)


@given(st.text(max_size=200))
def test_any_output_of_modinfo_is_a_module_or_none(output: str) -> None:
    module = look.read_module("ib_core", output)
    assert module is None or module.name == "ib_core"


def test_what_the_kernel_runs_with_its_users(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/modules": "nvidia_peermem 16384 2 - Live 0x0\nib_uverbs 200704 3 nvidia_peermem,mlx5_ib, Live 0x0\n"
            "ext4 1024 1 - Live 0x0\n",
            "sys/module/nvidia_peermem/version": "550.144.03\n",
            "sys/module/ib_uverbs/srcversion": "ABCDEF\n",
            "proc/kallsyms": "0000000000000000 T ib_register_peer_memory_client\t[ib_core]\n",
        },
    )
    host = seen(tmp_path, {})
    assert set(host.loaded) == {"nvidia_peermem", "ib_uverbs"}
    assert (host.loaded["nvidia_peermem"].users, host.loaded["nvidia_peermem"].version) == (2, "550.144.03")
    assert host.loaded["ib_uverbs"].holders == ("nvidia_peermem", "mlx5_ib")
    assert host.loaded["ib_uverbs"].srcversion == "ABCDEF"
    assert host.kernel_exports is True


def test_symbols_are_whole_words_and_unreadable_ones_are_unknown(tmp_path: Path) -> None:
    assert seen(tmp_path, {}).kernel_exports is None
    write(tmp_path, {"proc/kallsyms": "0000000000000000 t ib_register_peer_memory_client_v2\t[x]\n"})
    assert seen(tmp_path, {}).kernel_exports is False


def test_adapters_are_the_vendors_by_pci_id(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "sys/bus/pci/devices/0000:17:00.0/vendor": "0x15b3\n",
            "sys/bus/pci/devices/0000:17:00.0/device": "0x101D\n",
            "sys/bus/pci/devices/0000:18:00.0/vendor": "0x8086\n",
            "sys/bus/pci/devices/0000:18:00.0/device": "0x1592\n",
        },
    )
    assert [(adapter.address, adapter.device) for adapter in seen(tmp_path, {}).adapters] == [("0000:17:00.0", "101d")]


@pytest.mark.parametrize(("state", "expected"), [(b"\x06\0\0\0\x01", True), (b"\x06\0\0\0\0", False), (None, None)])
def test_secure_boot_is_the_firmwares_variable(tmp_path: Path, state: bytes | None, expected: bool | None) -> None:
    assert seen(tmp_path, {}).secure_boot is False  # no EFI
    (tmp_path / SECURE_BOOT).parent.mkdir(parents=True)
    if state is not None:
        (tmp_path / SECURE_BOOT).write_bytes(state)
    assert seen(tmp_path, {}).secure_boot is expected


@pytest.mark.parametrize(("words", "enrolled"), [("is already enrolled", True), ("is not enrolled", False)])
def test_the_key_that_dkms_signs_with(tmp_path: Path, words: str, enrolled: bool) -> None:
    write(tmp_path, {"var/lib/dkms/mok.pub": "key"})
    key = str(tmp_path / "var/lib/dkms/mok.pub")
    answers = {f"mokutil --test-key {key}": Result(1 if enrolled else 0, f"{key} {words}\n")}
    assert seen(tmp_path, answers).key_enrolled is enrolled
    assert seen(tmp_path, {}).key_enrolled is False


@pytest.mark.parametrize(
    ("symbols", "refers"),
    [
        ("0x1234 module_layout\n0xabcd ib_register_peer_memory_client\n", True),
        ("0x1234 module_layout\n", False),
        ("", None),
    ],
)
def test_a_stub_of_peermem_is_told_by_its_symbols(tmp_path: Path, symbols: str, refers: bool | None) -> None:
    path = f"/lib/modules/{EL9}/extra/nvidia-peermem.ko"
    answers = {
        f"modinfo --set-version {EL9} nvidia_peermem": f"filename:       {path}\nvermagic:       {EL9} SMP\n",
        f"modprobe --dump-modversions {path}": symbols,
    }
    assert seen(tmp_path, answers).peermem_refers is refers


def test_dkms_and_log_and_other_kernels(tmp_path: Path) -> None:
    (tmp_path / "lib/modules/5.15.0-130-generic/kernel").mkdir(parents=True)
    (tmp_path / "lib/modules/5.15.0-131-generic/kernel").mkdir(parents=True)
    (tmp_path / "lib/modules/5.15.0-999-removed").mkdir(parents=True)
    write(tmp_path, {"lib/modules/5.15.0-131-generic/updates/dkms/mlx5_core.ko.zst": ""})
    answers = {"dkms status": text("D12_dkms_status_v3.txt"), "dmesg": text("O01_dmesg_peermem.txt")}
    host = seen(tmp_path, answers, "5.15.0-122-generic")
    assert host.mismatch
    assert host.other_kernels == {"5.15.0-130-generic": False, "5.15.0-131-generic": True}
    assert [build.differs for build in host.builds if build.kernel == "5.15.0-122-generic"] == [True]


def test_no_tools_at_all_is_no_stack_and_no_crash(tmp_path: Path) -> None:
    def run(argv: Sequence[str], timeout_s: float = 0.0) -> Result:
        return Result(127, "", f"{argv[0]}: No such file")

    host = look.Host(tmp_path, run).see("")
    assert host.disk == {}
    assert "No such file" in host.reasons["modinfo ib_core"]
    wanted = Wanted("inbox")
    found = judge.findings(wanted, host, peer_memory.decide(wanted, host))
    assert {finding.level for finding in found} == {"unknown"}


def test_another_root_is_asked_for_its_modules(tmp_path: Path) -> None:
    asked: list[Sequence[str]] = []

    def run(argv: Sequence[str], timeout_s: float = 0.0) -> Result:
        asked.append(argv)
        return Result(0, EL9) if argv[0] == "uname" else Result(127)

    look.Host(tmp_path, run).see("")
    assert all(f"--basedir={tmp_path}" in argv for argv in asked if argv[0] == "modinfo")
