"""Settings of the machine: set where the kernel has them, said where it hasn't, refused where it won't."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import machine_settings as machine
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.machine_settings import Found, Setting

GOVERNOR = "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
NUMA = "/proc/sys/kernel/numa_balancing"
WANTED = [f"{GOVERNOR}=performance", f"{THP}=madvise", f"{NUMA}=0"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with three CPUs, of which one is as wanted."""
    for number, governor in enumerate(["powersave", "performance", "schedutil"]):
        policy = tmp_path / f"sys/devices/system/cpu/cpufreq/policy{number}"
        policy.mkdir(parents=True)
        (policy / "scaling_governor").write_text(f"{governor}\n", encoding="utf-8")
    for path, value in ((THP, "[always] madvise never\n"), (NUMA, "1\n")):
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True)
        file.write_text(value, encoding="utf-8")
    return tmp_path


def settings(*words: str) -> list[Setting]:
    return [machine.read_setting(one) for one in words or WANTED]


def test_each_cpu_is_looked_at(root: Path) -> None:
    found, left = machine.look(settings(), root)
    assert left == {}
    assert [(one.value, one.wanted) for one in found if one.differs] == [
        ("powersave", "performance"),
        ("schedutil", "performance"),
        ("always", "madvise"),
        ("1", "0"),
    ]


def test_what_differs_is_written_and_nothing_else(root: Path) -> None:
    kept = root / "sys/devices/system/cpu/cpufreq/policy1/scaling_governor"
    kept.chmod(0o444)
    before = kept.stat().st_mtime_ns
    found, _ = machine.look(settings(), root)
    assert machine.apply(found, root) == {}
    assert [one for one in machine.look(settings(), root)[0] if one.differs] == []
    assert kept.stat().st_mtime_ns == before


def test_a_host_without_frequency_scaling_is_neutral(tmp_path: Path) -> None:
    found, left = machine.look(settings(), tmp_path)
    assert found == []
    assert left == dict.fromkeys([GOVERNOR, THP, NUMA], "this kernel has no such setting")


def test_a_value_that_does_not_stay_is_refused(root: Path) -> None:
    """As when memory is too fragmented for that many huge pages."""
    pages = root / "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    pages.parent.mkdir(parents=True)
    pages.symlink_to("/dev/null")
    found = [Found("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0", "1024")]
    assert machine.apply(found, root) == {found[0].path: "1024: the kernel keeps "}


def test_a_read_only_file_is_refused_with_the_kernels_words() -> None:
    """/proc/sys has one: the kernel's own name."""
    refused = machine.apply([Found("/proc/sys/kernel/ostype", "Linux", "Minix")])
    assert list(refused) == ["/proc/sys/kernel/ostype"]


@pytest.mark.parametrize(
    "words", ["", "=1", "/sys/a", "/sys/a=", "/etc/passwd=root", "sys/a=1", "/sys/../etc/passwd=1", "/sys/a= "]
)
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="PATH=VALUE"):
        machine.read_setting(words)


@given(st.lists(st.from_regex(r"[a-z_+\-]{1,10}", fullmatch=True), min_size=1, max_size=6), st.data())
def test_the_choice_in_brackets_is_the_value(choices: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(choices) - 1))
    shown = " ".join(f"[{word}]" if number == at else word for number, word in enumerate(choices))
    assert machine.normal(shown + "\n") == choices[at]


@given(st.text("0123456789 \t\n"))
def test_blanks_do_not_count(text: str) -> None:
    assert machine.normal(machine.normal(text)) == machine.normal(text) == " ".join(text.split())


def program(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The file as the boot unit runs it."""
    argv = [sys.executable, "-I", str(Path(machine.__file__)), "--root", str(root), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_the_boot_program_looks_then_does_then_finds_nothing(root: Path) -> None:
    absent = "/sys/no/such=1"
    looked = program(root, "--check", *WANTED, absent)
    assert looked.returncode == 1
    assert "differs /proc/sys/kernel/numa_balancing: 1 -> 0" in looked.stdout.splitlines()
    assert "left /sys/no/such: this kernel has no such setting" in looked.stdout.splitlines()
    assert (root / NUMA.lstrip("/")).read_text(encoding="utf-8") == "1\n"
    done = program(root, *WANTED, absent)
    assert done.returncode == 0, done.stderr
    assert (root / NUMA.lstrip("/")).read_text(encoding="utf-8") == "0"
    # The kernel would print the choices again; a file keeps what was written.
    assert program(root, "--check", *WANTED).returncode == 0


def test_the_boot_program_says_what_it_was_refused(root: Path) -> None:
    (root / NUMA.lstrip("/")).unlink()
    (root / NUMA.lstrip("/")).symlink_to("/dev/null")
    done = program(root, f"{NUMA}=0")
    assert done.returncode == 1
    assert "refused /proc/sys/kernel/numa_balancing = 0: the kernel keeps" in done.stderr


def test_the_boot_program_refuses_words_that_are_no_setting(root: Path) -> None:
    assert program(root, "performance").returncode == 2
