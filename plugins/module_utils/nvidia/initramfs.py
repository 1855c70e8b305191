# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Initial RAM file systems: does the one that boots next hold the configuration that is wanted?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..packages.model import CHANGE_TIMEOUT_S, Runner

# Where Debian and Ubuntu keep a kernel's image, and where RHEL does.
PLACES = ("boot/initrd.img-{kernel}", "boot/initramfs-{kernel}.img")


class InitramfsError(Exception):
    """An image that could not be made."""


@dataclass(frozen=True)
class Image:
    """A kernel's image, and why it has to be made again; no reasons where it needn't."""

    kernel: str
    path: Path
    reasons: tuple[str, ...]


def _time(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def look(root: Path, kernels: Iterable[str], files: Sequence[str], written: Sequence[str]) -> list[Image]:
    """The images of kernels that have one. An image older than a file lacks it; one that is being written now, too."""
    found = []
    for kernel in dict.fromkeys(kernels):
        path = next(
            (root / place.format(kernel=kernel) for place in PLACES if (root / place.format(kernel=kernel)).exists()),
            None,
        )
        made = _time(path) if path else None
        if path is None or made is None:
            continue
        times = {file: _time(root / file.lstrip("/")) for file in files}
        newer = [file for file, time in times.items() if file not in written and time is not None and time > made]
        found.append(Image(kernel, path, tuple(sorted({*newer, *written}))))
    return found


def rebuild(image: Image, run: Runner) -> None:
    """Make an image anew, with the distribution's own tool.

    Raises:
        InitramfsError: the tool failed, or left the image as it was.
    """
    before = _time(image.path) or 0.0
    commands = (
        ["update-initramfs", "-u", "-k", image.kernel],
        ["dracut", "--force", str(image.path), image.kernel],
    )
    command = commands[0] if image.path.name.startswith("initrd.img-") else commands[1]
    done = run(command, timeout_s=CHANGE_TIMEOUT_S)
    if done.status != 0:
        raise InitramfsError(f"{' '.join(command)} failed: {done.words}")
    if (_time(image.path) or 0.0) <= before:
        raise InitramfsError(f"{' '.join(command)} ended well, and {image.path} is as old as before: is /boot full?")
