"""Boot parameters: what runs, what the next boot brings, and only words of our own are added or taken away."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import boot_parameters as boot
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result

from . import boot_loaders
from .boot_loaders import GrubbyHost, GrubHost, put

WORDS = ("intel_iommu=on", "iommu=pt")


def text(root: Path, path: str) -> str:
    return (root / path.lstrip("/")).read_text(encoding="utf-8")


def test_grub_of_this_system_has_three_entries() -> None:
    """Not that of another system on the host, nor what somebody wrote by hand."""
    entries = boot.grub_entries((boot_loaders.DATA / "grub_debian12.cfg").read_text(encoding="utf-8"))
    assert len(entries) == 3
    assert all(entry[:2] == ("root=UUID=0ff3d4a1-7f0c-4a0e-9a1a-5a6f0fd1a2b3", "ro") for entry in entries)


def test_added_rebooted_removed_with_grub(tmp_path: Path) -> None:
    host = GrubHost(tmp_path)
    state = boot.read(tmp_path, host)
    assert (state.loader, state.added, len(state.entries)) == ("grub", (), 3)
    assert boot.differs(state, tmp_path, WORDS)
    after = boot.write(state, tmp_path, WORDS, host)
    assert boot.next_boot_lacks(after, WORDS) == ()
    assert not boot.differs(after, tmp_path, WORDS)
    assert boot.reboot_reasons(after, WORDS) == ["the running kernel was started without intel_iommu=on iommu=pt"]
    host.reboot()
    assert boot.reboot_reasons(boot.read(tmp_path, host), WORDS) == []

    gone = boot.write(boot.read(tmp_path, host), tmp_path, (), host)
    assert not (tmp_path / boot.GRUB_FILE.lstrip("/")).exists()
    assert not boot.differs(gone, tmp_path, ())
    assert "iommu" not in text(tmp_path, boot.GRUB_CFG)


def test_the_administrators_words_stay(tmp_path: Path) -> None:
    host = GrubHost(tmp_path)
    put(
        tmp_path, "/etc/default/grub", 'GRUB_CMDLINE_LINUX_DEFAULT=""\nGRUB_CMDLINE_LINUX="console=ttyS1 pci=realloc"\n'
    )
    host.update_grub([])
    after = boot.write(boot.read(tmp_path, host), tmp_path, WORDS, host)
    assert all({"console=ttyS1", "pci=realloc", *WORDS} <= set(entry) for entry in after.entries)


def test_a_run_that_was_cut_off_is_finished_by_the_next(tmp_path: Path) -> None:
    host = GrubHost(tmp_path)
    put(tmp_path, boot.GRUB_FILE, boot.grub_file(WORDS))  # written, and then the connection was gone
    state = boot.read(tmp_path, host)
    assert boot.differs(state, tmp_path, WORDS)
    assert not boot.differs(boot.write(state, tmp_path, WORDS, host), tmp_path, WORDS)

    put(tmp_path, boot.GRUB_FILE, boot.grub_file(()))  # the same while they were removed
    state = boot.read(tmp_path, host)
    assert boot.differs(state, tmp_path, ())
    boot.write(state, tmp_path, (), host)
    assert "iommu" not in text(tmp_path, boot.GRUB_CFG)


def test_a_new_kernel_without_the_words_is_seen(tmp_path: Path) -> None:
    """A grub.cfg that somebody else wrote, with our file in place."""
    host = GrubHost(tmp_path)
    boot.write(boot.read(tmp_path, host), tmp_path, WORDS, host)
    cfg = text(tmp_path, boot.GRUB_CFG)
    put(tmp_path, boot.GRUB_CFG, cfg.replace(" iommu=pt", "", 1))
    assert boot.next_boot_lacks(boot.read(tmp_path, host), WORDS) == ("iommu=pt",)


def test_a_word_that_is_taken_back_later_on_the_line_is_said(tmp_path: Path) -> None:
    host = GrubHost(tmp_path)
    put(tmp_path, "/etc/default/grub", 'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=soft"\nGRUB_CMDLINE_LINUX=""\n')
    with pytest.raises(boot.BootError, match=r"still lacks iommu=pt.*/etc/default/grub"):
        boot.write(boot.read(tmp_path, host), tmp_path, WORDS, host)


def test_a_tool_that_fails_is_quoted(tmp_path: Path) -> None:
    host = GrubHost(tmp_path)
    host.answers[f"chroot {tmp_path} update-grub"] = Result(
        1, stderr="grub-probe: error: failed to get canonical path\n"
    )
    with pytest.raises(boot.BootError, match="update-grub failed: grub-probe: error: failed to get canonical path"):
        boot.write(boot.read(tmp_path, host), tmp_path, WORDS, host)


def test_added_changed_removed_with_grubby(tmp_path: Path) -> None:
    host = GrubbyHost(tmp_path)
    state = boot.read(tmp_path, host)
    assert (state.loader, len(state.entries)) == ("grubby", 2)
    after = boot.write(state, tmp_path, WORDS, host)
    assert text(tmp_path, boot.RECORD).split() == list(WORDS)
    assert not boot.differs(after, tmp_path, WORDS)
    assert boot.reboot_reasons(after, WORDS)
    after = boot.write(after, tmp_path, ("iommu=pt",), host)
    assert host.words == ["iommu=pt"]
    assert host.calls.count(f"chroot {tmp_path} grubby --update-kernel=ALL --remove-args=intel_iommu=on") == 1
    boot.write(after, tmp_path, (), host)
    assert host.words == []
    assert not (tmp_path / boot.RECORD.lstrip("/")).exists()


def test_words_that_were_there_before_are_not_taken_away(tmp_path: Path) -> None:
    """Only what the record says is ours."""
    host = GrubbyHost(tmp_path)
    host.words = ["audit=1"]
    boot.write(boot.write(boot.read(tmp_path, host), tmp_path, WORDS, host), tmp_path, (), host)
    assert host.words == ["audit=1"]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"/run/systemd/container": "systemd-nspawn\n"}, "a container (systemd-nspawn)"),
        ({"/.dockerenv": ""}, "a container (docker)"),
        ({"/proc/cmdline": "console=ttyS0 root=/dev/vda\n"}, "not started by GRUB"),
        ({"/boot/grub/grub.cfg": "### BEGIN /etc/grub.d/10_linux ###\n"}, "starts no kernel"),
    ],
)
def test_a_host_without_a_command_line_of_its_own_is_neutral(tmp_path: Path, files: dict[str, str], why: str) -> None:
    host = GrubHost(tmp_path)
    for path, content in files.items():
        put(tmp_path, path, content)
    state = boot.read(tmp_path, host)
    assert state.loader == "none"
    assert why in state.why
    assert not boot.differs(state, tmp_path, WORDS)
    assert boot.reboot_reasons(state, WORDS) == [], "a reboot would change nothing"
    assert boot.lacking(state.running, WORDS) == WORDS


def test_an_unknown_boot_loader_is_neutral(tmp_path: Path) -> None:
    boot_loaders.boot(tmp_path)
    assert "not known" in boot.read(tmp_path, GrubHost(tmp_path / "other")).why


@pytest.mark.parametrize(
    ("line", "word", "there"),
    [
        ("ro iommu=pt", "iommu=pt", True),
        ("ro iommu=pt iommu=soft", "iommu=pt", False),
        ("ro iommu=soft iommu=pt", "iommu=pt", True),
        ("ro xiommu=pt iommu=ptx", "iommu=pt", False),
        ("console=tty0 console=ttyS0", "console=tty0", True),
        ("ro quiet", "quiet", True),
        ("", "quiet", False),
    ],
)
def test_whether_a_line_has_a_word(line: str, word: str, there: bool) -> None:
    assert boot.has(line.split(), word) is there


@pytest.mark.parametrize("word", ["", "a b", "iommu=pt;reboot", 'a="b"', "a=$(id)", "a=`id`", "=pt", "a='b'"])
def test_words_that_a_shell_or_grub_would_read_otherwise_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="not one word"):
        boot.checked([word])


@given(st.lists(st.from_regex(boot.WORD, fullmatch=True), max_size=5))
def test_our_file_reads_back(words: list[str]) -> None:
    found = boot.GRUB_LINE.search(boot.grub_file(words))
    assert found is not None
    assert found.group(1).split() == words
