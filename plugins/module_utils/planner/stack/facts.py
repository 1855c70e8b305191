# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Facts of drivers, CUDA toolkits, vLLM's wheels and distributions that must fit one another.

Wheels: METADATA of vLLM's and torch's wheels on PyPI (x86_64) and the libraries that their shared objects need.
Drivers: the CUDA toolkit release notes' table and docs.nvidia.com/deploy/cuda-compatibility. Distributions' defaults
are those of their first release.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..versions import Version, version

Numbers = tuple[int, ...]


def numbers(text: str) -> Numbers | None:
    """``580.65.06`` as numbers; ``None`` for anything but numbers between dots."""
    return tuple(int(part) for part in text.split(".")) if re.fullmatch(r"\d{1,9}(\.\d{1,9}){0,3}", text) else None


def dotted(parts: Sequence[int]) -> str:
    """Numbers as text; a driver's third number has two digits."""
    if len(parts) == 3 and parts[0] >= 300:
        return f"{parts[0]}.{parts[1]}.{parts[2]:02d}"
    return ".".join(map(str, parts))


def at_least(given: Numbers, minimum: Numbers) -> bool | None:
    """Whether a version is at least another; ``None`` where it is not given far enough to tell (580 and 580.65.06)."""
    common = min(len(given), len(minimum))
    if given[:common] != minimum[:common]:
        return given > minimum
    return None if any(minimum[common:]) and len(given) < len(minimum) else True


@dataclass(frozen=True)
class Wheel:
    """vLLM's wheel on PyPI from release ``first`` to ``last``; ``python`` is the range [at least, below).

    ``cuda`` is of the libraries torch brings, ``built`` what vLLM's own kernels were compiled with. ``torch`` and
    ``nccl`` are versions, ``glibc`` the wheel tag's (manylinux1 is 2.5).
    """

    first: Version
    last: Version
    python: tuple[Numbers, Numbers]
    glibc: Numbers
    torch: str
    cuda: Numbers
    built: Numbers
    nccl: Numbers

    @property
    def cuda_major(self) -> int:
        """What a toolkit beside it must share: torch refuses to build extensions with another major version."""
        return self.cuda[0]


def _wheel(row: str) -> Wheel:
    """A row of the table below: first and last release, Python, glibc, torch, its CUDA, vLLM's CUDA, NCCL."""
    first, last, python, glibc, torch, *rest = row.split()
    low, high = python.split("-")
    cuda, built, nccl = (numbers(text) or () for text in rest)
    pythons = (numbers(low) or (), numbers(high) or ())
    return Wheel(version(first), version(last), pythons, numbers(glibc) or (), torch, cuda, built, nccl)


# Releases between two rows (0.10.1) have not been looked at.
WHEELS = tuple(
    _wheel(row)
    for row in (
        "0.8.5 0.8.5 3.9-3.13 2.5 2.6.0 12.4 12.4 2.21.5",
        "0.9.0 0.9.2 3.9-3.13 2.5 2.7.0 12.6 12.8 2.26.2",
        "0.10.0 0.10.0 3.9-3.13 2.5 2.7.1 12.6 12.8 2.26.2",
        "0.10.2 0.11.0 3.9-3.14 2.5 2.8.0 12.8 12.8 2.27.3",
        "0.11.1 0.11.2 3.10-3.14 2.5 2.9.0 12.8 12.8 2.27.5",
        "0.12.0 0.13.0 3.10-3.14 2.31 2.9.0 12.8 12.9 2.27.5",
        "0.14.0 0.16.0 3.10-3.14 2.31 2.9.1 12.8 12.9 2.27.5",
        "0.17.0 0.19.1 3.10-3.14 2.31 2.10.0 12.8 12.9 2.27.5",
        "0.20.0 0.20.2 3.10-3.15 2.35 2.11.0 13.0 13.0 2.28.9",
        "0.21.0 0.26.0 3.10-3.15 2.28 2.11.0 13.0 13.0 2.28.9",
        "0.27.0 0.31.0 3.10-3.15 2.28 2.13.0 13.0 13.0 2.29.7",
        "0.32.0 0.32.0 3.11-3.15 2.28 2.13.0 13.0 13.0 2.29.7",
        "0.33.0 0.33.0 3.11-3.15 2.28 2.14.0 13.0 13.0 2.30.7",
    )
)


def find_wheel(release: Version) -> Wheel | None:
    """The wheel of a release; ``None`` where none has been looked at."""
    return next((wheel for wheel in WHEELS if wheel.first <= release <= wheel.last), None)


# The oldest driver that has all of a CUDA version (release notes, table "CUDA Toolkit and Corresponding Driver
# Versions", Linux x86_64).
NATIVE_DRIVERS: dict[Numbers, Numbers] = {
    (11, 4): (470, 42, 1),
    (11, 8): (520, 61, 5),
    (12, 0): (525, 60, 13),
    (12, 1): (530, 30, 2),
    (12, 2): (535, 54, 3),
    (12, 3): (545, 23, 6),
    (12, 4): (550, 54, 14),
    (12, 5): (555, 42, 2),
    (12, 6): (560, 28, 3),
    (12, 8): (570, 26),
    (12, 9): (575, 51, 3),
    (13, 0): (580, 65, 6),
}

# The oldest driver that runs binaries of any minor version of a CUDA major, without what newer minors added.
MINOR_VERSION_DRIVERS: dict[int, Numbers] = {11: (450, 80, 2), 12: (525, 60, 13), 13: (580, 65, 6)}

# Driver branches on which CUDA 13's forward compatibility libraries run, for VLLM_ENABLE_CUDA_COMPATIBILITY (vLLM's
# installation page).
FORWARD_COMPATIBLE: dict[int, tuple[int, ...]] = {13: (535, 570)}
FORWARD_COMPATIBLE_SINCE = version("0.17.0")


def native_cuda(driver: Numbers) -> Numbers | None:
    """The newest CUDA version a driver has all of, among those of the table."""
    return max((cuda for cuda, minimum in NATIVE_DRIVERS.items() if at_least(driver, minimum)), default=None)


@dataclass(frozen=True)
class Distribution:
    """A distribution: its C library, its own Python and others its archive has."""

    name: str
    glibc: Numbers
    python: Numbers
    other_pythons: tuple[Numbers, ...] = ()
    toolkits_from: Numbers | None = None


# `toolkits_from`: the first CUDA toolkit NVIDIA's repository for it has, where that is known to matter.
DISTRIBUTIONS = {
    "ubuntu22.04": Distribution("ubuntu22.04", (2, 35), (3, 10), ((3, 11),)),
    "ubuntu24.04": Distribution("ubuntu24.04", (2, 39), (3, 12), (), (12, 5)),
    "debian12": Distribution("debian12", (2, 36), (3, 11)),
    "debian13": Distribution("debian13", (2, 41), (3, 13), (), (13, 0)),
    "rhel9": Distribution("rhel9", (2, 34), (3, 9), ((3, 11), (3, 12))),
    "rocky9": Distribution("rocky9", (2, 34), (3, 9), ((3, 11), (3, 12))),
}


_CODENAMES = {"jammy": "ubuntu22.04", "noble": "ubuntu24.04", "bookworm": "debian12", "trixie": "debian13"}


def find_distribution(text: str) -> Distribution | None:
    """A distribution by a name as people and Ansible write it: ``Ubuntu 22.04``, ``debian-12``, ``Rocky 9.4``."""
    plain = re.sub(r"[\s_-]|linux", "", text.lower())
    plain = _CODENAMES.get(plain, plain)
    plain = re.sub(r"^(redhatenterprise|redhat)", "rhel", plain)
    plain = re.sub(r"^ubuntu(\d\d)(\d\d)$", r"ubuntu\1.\2", plain)
    match = re.fullmatch(r"(debian|rhel|rocky)(\d+)(\.\d+)*|(ubuntu\d+\.\d+)(\.\d+)?", plain)
    if match is None:
        return None
    return DISTRIBUTIONS.get(match.group(4) or match.group(1) + match.group(2))


@dataclass(frozen=True)
class Profile:
    """A stack that goes together: the toolkit to install, and the releases whose PyPI wheel it is for."""

    name: str
    toolkit: Numbers
    first: Version
    last: Version | None


# CUDA 12.4 itself was built into 0.8.5 alone, which has no data parallelism over hosts; beside a CUDA 12 wheel its
# toolkit builds extensions well enough (torch only warns of another minor version). 0.20 has glibc 2.35 and CUDA 13.
PROFILES = {
    "cuda12_4": Profile("cuda12_4", (12, 4), version("0.9.0"), version("0.19.1")),
    "cuda12_8": Profile("cuda12_8", (12, 8), version("0.9.0"), version("0.19.1")),
    "cuda13": Profile("cuda13", (13, 0), version("0.20.0"), None),
}

# cuBLAS below this dies of SIGFPE on H20 in matrix products of some shapes.
H20_CUBLAS = (12, 4, 5, 8)
# No source names the first driver that knows the H20; from this branch on it is in use.
H20_DRIVER = (550,)
# deepep_v2 uses NCCL's GIN.
DEEPEP_V2_NCCL = (2, 30, 4)
# DeepEP and DeepGEMM are built on the host, on Hopper with at least this toolkit; vLLM's own script for DeepGEMM skips
# itself below 12.8 up to 0.24.
BUILT_BACKENDS = ("deepep_high_throughput", "deepep_low_latency", "deepep_v2")
DEEPEP_TOOLKIT = (12, 3)
