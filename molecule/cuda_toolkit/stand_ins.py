"""Stand-ins of NVIDIA's packages: their names, versions, relations and places, and what the compiler prints."""

from __future__ import annotations

from ansible_collections.moefleet.serving.tests.testinfra.package_repository import StandIn


def compiler(release: str, version: str, says: str = "") -> dict[str, str]:
    """nvcc of a release, printing what the real one does."""
    said = says or release
    return {
        f"/usr/local/cuda-{release}/bin/nvcc": f"""#!/bin/sh
echo 'nvcc: NVIDIA (R) Cuda compiler driver'
echo 'Copyright (c) 2005-2024 NVIDIA Corporation'
echo 'Built on Thu_Mar_28_02:18:24_PDT_2024'
echo 'Cuda compilation tools, release {said}, V{version}'
echo 'Build cuda_{said}.r{said}/compiler.34097967_0'
"""
    }


def toolkit(release: str, update: str, nvcc: str, depends: str = "", says: str = "") -> list[StandIn]:
    """A release's toolkit and its compiler."""
    dashed = release.replace(".", "-")
    return [
        StandIn(
            f"cuda-toolkit-{dashed}",
            f"{update}-1",
            f"cuda-nvcc-{dashed} (>= {release}), cuda-toolkit-{dashed}-config-common",
        ),
        StandIn(f"cuda-nvcc-{dashed}", f"{nvcc}-1", depends, files=compiler(release, nvcc, says)),
        StandIn(f"cuda-toolkit-{dashed}-config-common", f"{nvcc}-1"),
    ]


NVIDIA = [
    *toolkit("12.4", "12.4.1", "12.4.131"),
    *toolkit("12.8", "12.8.1", "12.8.93"),
    # Of no real release: a compiler that is another's, and one that pulls in a driver.
    *toolkit("12.5", "12.5.1", "12.5.82", says="12.4"),
    *toolkit("12.6", "12.6.3", "12.6.85", depends="cuda-drivers"),
    StandIn("cuda", "12.4.1-1", "cuda-12-4"),
    StandIn("cuda-12-4", "12.4.1-1", "cuda-runtime-12-4, cuda-toolkit-12-4"),
    StandIn("cuda-runtime-12-4", "12.4.1-1", "cuda-drivers"),
    StandIn("cuda-drivers", "550.144.03-1", "nvidia-driver-550"),
    StandIn("nvidia-driver-550", "550.144.03-0ubuntu1", "libnvidia-compute-550"),
    StandIn("libnvidia-compute-550", "550.144.03-0ubuntu1"),
]

REPOSITORIES = {"nvidia": ("NVIDIA", NVIDIA)}
