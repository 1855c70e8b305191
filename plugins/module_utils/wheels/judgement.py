# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a set of wheels must not be: placeholders, two CUDA majors, a cuBLAS that kills an H20."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Names on the package index that are not what an engine needs: source archives of early 2025 without metadata.
PLACEHOLDERS: Mapping[str, str] = {
    "deep-ep": "build DeepEP's wheel once with vLLM's script and give it as vllm_env_wheels",
    "deep-gemm": "use the copy inside vLLM's wheel, or build one and give it as vllm_env_wheels",
    "pplx-kernels": "build it once and give it as vllm_env_wheels",
}

# cuBLAS before this dies of SIGFPE in matrix products of some shapes on an H20 (its release notes; vLLM's reports).
H20_CUBLAS = (12, 4, 5, 8)
_CUDA_SUFFIX = re.compile(r"-cu(\d+)$")


def problems(versions: Mapping[str, str], gpu: str = "", cuda: str = "") -> list[str]:
    """What is wrong with a set of distributions, by normalised name, each with what to do.

    Args:
        versions: version by name.
        gpu: the accelerator, ``H20-96G``; what only it suffers from is judged where it is given.
        cuda: the CUDA version that the plan expects of the wheels, ``12.8``; only its major version counts.
    """
    found = [f"{name} on the index is a placeholder: {fix}" for name, fix in PLACEHOLDERS.items() if name in versions]
    majors: dict[str, list[str]] = {}
    for name in versions:
        match = _CUDA_SUFFIX.search(name)
        # Libraries for several CUDA versions lie side by side: what counts is the runtime that torch loads.
        if match is not None and name.startswith(("nvidia-cuda-runtime", "nvidia-cublas", "nvidia-nccl")):
            majors.setdefault(match.group(1), []).append(name)
    if len(majors) > 1:
        named = ", ".join(names[0] for _major, names in sorted(majors.items()))
        found.append(f"libraries of two CUDA major versions are in it ({named}): lock for one of them")
    if cuda and majors and cuda.split(".", 1)[0] not in majors:
        found.append(
            f"its libraries are of CUDA {'/'.join(sorted(majors))}, the plan's wheel is CUDA {cuda}:"
            " use the profile's lock"
        )
    blas = versions.get("nvidia-cublas-cu12")
    if gpu.upper().startswith("H20") and blas is not None and _numbers(blas) < H20_CUBLAS:
        found.append(f"cuBLAS {blas} ends with SIGFPE on the H20: 12.4.5.8 or newer doesn't")
    return found


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d+", text)[:4])
