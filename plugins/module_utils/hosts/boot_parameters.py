# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Words of the kernel's command line: what runs, what the next boot brings, and a file of our own that adds to it.

Two boot loader configurations are known. With `update-grub` (Debian, Ubuntu), a file in /etc/default/grub.d appends to
GRUB_CMDLINE_LINUX, and grub.cfg is what the next boot reads. With `grubby` (RHEL), the entries themselves carry the
words; a record of ours says which of them we put there.

A host whose kernel was started by something else has no command line of its own: a container, or a guest whose kernel
comes from outside. GRUB always puts BOOT_IMAGE on the command line, so its absence is the sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import files, machine
from .commands import Result, Runner, inside

GRUB_FILE = "/etc/default/grub.d/60-moefleet.cfg"
GRUB_CFG = "/boot/grub/grub.cfg"
RECORD = "/etc/moefleet/boot_parameters"
PROGRAM_DIRECTORIES = ("usr/sbin", "sbin", "usr/bin")

# Nothing that the shell which reads our file, or GRUB which reads grub.cfg, takes for its own.
WORD = re.compile(r"[A-Za-z0-9_.\-]+(=[^\s\"'$`\\;&|<>{}]*)?")
SECTION = re.compile(r"### (BEGIN|END) (\S+) ###")
LINUX = re.compile(r"\s*linux(?:efi|16)?\s+\S+\s*(.*)")
GRUBBY_ARGS = re.compile(r'args="(.*)"')
GRUB_LINE = re.compile(r'GRUB_CMDLINE_LINUX="\$GRUB_CMDLINE_LINUX ?([^"]*)"')
# Words that add up when they come more than once; of all others the last one counts.
CUMULATIVE = frozenset(
    {"console", "earlycon", "memmap", "module_blacklist", "modprobe.blacklist", "pci", "rd.driver.blacklist"}
)

Entry = tuple[str, ...]


class BootError(Exception):
    """The command line of the next boot can't be made what is wanted."""


@dataclass(frozen=True)
class State:
    """What there is. `loader` is grub, grubby or none, and then `why` says it; `added` are the words that are ours."""

    loader: str
    why: str
    running: Entry
    added: Entry = ()
    entries: tuple[Entry, ...] = ()


def checked(words: Iterable[str]) -> Entry:
    """Words as they may stand on a command line, each once, in their order; ValueError for anything else."""
    result = tuple(dict.fromkeys(str(word) for word in words))
    for word in result:
        if not WORD.fullmatch(word):
            raise ValueError(f"{word!r} is not one word of a kernel command line: NAME or NAME=VALUE, plain text only")
    return result


def has(entry: Sequence[str], word: str) -> bool:
    """Whether a command line has a word and no later one takes it back."""
    name, equals, _ = word.partition("=")
    if not equals or name in CUMULATIVE:
        return word in entry
    same = [other for other in entry if other.partition("=")[0] == name]
    return bool(same) and same[-1] == word


def lacking(entry: Sequence[str], words: Sequence[str]) -> Entry:
    """Those of the words that a command line lacks."""
    return tuple(word for word in words if not has(entry, word))


def grub_entries(text: str) -> tuple[Entry, ...]:
    """The command lines of a grub.cfg that start this system's kernels; not those of other systems or of one's own."""
    entries: list[Entry] = []
    section = ""
    for line in text.splitlines():
        mark = SECTION.match(line)
        if mark:
            section = mark.group(2) if mark.group(1) == "BEGIN" else ""
        command = LINUX.match(line)
        if command and ("linux" in Path(section).name or "### BEGIN" not in text):
            entries.append(tuple(command.group(1).split()))
    return tuple(entries)


def grubby_entries(text: str) -> tuple[Entry, ...]:
    """The command lines in what `grubby --info=ALL` prints."""
    return tuple(tuple(match.group(1).split()) for match in map(GRUBBY_ARGS.fullmatch, text.splitlines()) if match)


def grub_file(words: Sequence[str]) -> str:
    """Our file for update-grub. It comes after the administrator's and takes nothing away."""
    return (
        "# Written by moefleet (role host_tuning). update-grub reads it; see /proc/cmdline for what runs.\n"
        f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {" ".join(words)}"\n'
    )


def _text(root: Path, path: str) -> str:
    try:
        return (root / path.lstrip("/")).read_text(encoding="utf-8", errors="backslashreplace")
    except OSError:
        return ""


def _program(root: Path, name: str) -> bool:
    return any((root / directory / name).exists() for directory in PROGRAM_DIRECTORIES)


def _grubby(root: Path, run: Runner, running: Entry) -> State:
    shown = run(inside(root, ["grubby", "--info=ALL"]))
    entries = grubby_entries(shown.stdout)
    if shown.status != 0 or not entries:
        return State("none", f"grubby tells of no kernel: {shown.last_words}", running)
    return State("grubby", "", running, tuple(_text(root, RECORD).split()), entries)


def _grub(root: Path, running: Entry) -> State:
    entries = grub_entries(_text(root, GRUB_CFG))
    if not entries:
        return State("none", f"{GRUB_CFG} starts no kernel of this system", running)
    ours = GRUB_LINE.search(_text(root, GRUB_FILE))
    return State("grub", "", running, tuple(ours.group(1).split()) if ours else (), entries)


def read(root: Path, run: Runner) -> State:
    """Look at the host."""
    running = tuple(_text(root, "/proc/cmdline").split())
    kind = machine.container(root)
    if kind:
        return State(
            "none", f"this is a container ({kind}): the kernel and its command line are the machine's", running
        )
    if not any(word.startswith("BOOT_IMAGE=") for word in running):
        return State("none", "the running kernel was not started by GRUB (no BOOT_IMAGE on its command line)", running)
    if _program(root, "grubby"):
        return _grubby(root, run, running)
    if _program(root, "update-grub"):
        return _grub(root, running)
    return State("none", "neither update-grub nor grubby is here: this boot loader is not known", running)


def own_file(state: State, root: Path, words: Sequence[str]) -> tuple[str, str]:
    """Our file before and after, empty where there is none."""
    path = GRUB_FILE if state.loader == "grub" else RECORD
    after = "".join(f"{word}\n" for word in words) if state.loader == "grubby" else grub_file(words)
    return _text(root, path), after if words else ""


def next_boot_lacks(state: State, words: Sequence[str]) -> Entry:
    """Words that at least one entry of the next boot lacks."""
    return tuple(word for word in words if not all(has(entry, word) for entry in state.entries))


def left_over(state: State, words: Sequence[str]) -> Entry:
    """Words that are ours, wanted no more, and still in an entry."""
    return tuple(word for word in state.added if word not in words and any(word in entry for entry in state.entries))


def differs(state: State, root: Path, words: Sequence[str]) -> bool:
    """Whether anything has to be written. A host without a boot loader of its own has nothing."""
    if state.loader == "none":
        return False
    before, after = own_file(state, root, words)
    return before != after or bool(next_boot_lacks(state, words)) or bool(left_over(state, words))


def _write(root: Path, path: str, content: str) -> None:
    target = str(root / path.lstrip("/"))
    if content:
        files.write(files.Wanted(target, content))
    else:
        Path(target).unlink(missing_ok=True)


def _succeeded(result: Result, what: str) -> None:
    if result.status != 0:
        raise BootError(f"{what} failed: {result.last_words}. Run it by hand, mend what it names, then run this again.")


def write(state: State, root: Path, words: Sequence[str], run: Runner) -> State:
    """Make the next boot's command lines have the words, and read them back. A run that is cut off is seen by the next.

    Raises:
        BootError: the loader's own tool failed, or an entry still lacks a word.
    """
    if state.loader == "grub":
        # An empty list is written first and removed last: the file is the sign that grub.cfg may still have our words.
        _write(root, GRUB_FILE, grub_file(words))
        _succeeded(run(inside(root, ["update-grub"])), "update-grub")
        _write(root, GRUB_FILE, own_file(state, root, words)[1])
    else:
        gone = tuple(word for word in state.added if word not in words)
        _write(root, RECORD, "".join(f"{word}\n" for word in dict.fromkeys([*state.added, *words])))
        for option, which in (("--remove-args", gone), ("--args", tuple(words))):
            if which:
                argv = ["grubby", "--update-kernel=ALL", f"{option}={' '.join(which)}"]
                _succeeded(run(inside(root, argv)), "grubby")
        _write(root, RECORD, own_file(state, root, words)[1])
    after = read(root, run)
    still = next_boot_lacks(after, words)
    if still:
        raise BootError(
            f"the next boot still lacks {' '.join(still)}, or takes it back later on the line: "
            f"look for the same names in /etc/default/grub and {GRUB_CFG}, and remove them there"
        )
    return after


def reboot_reasons(state: State, words: Sequence[str]) -> list[str]:
    """Why the host has to be booted again: its running kernel was started without wanted words."""
    missing = lacking(state.running, words)
    if state.loader == "none" or not missing:
        return []
    return [f"the running kernel was started without {' '.join(missing)}"]
