"""Stand-ins of DOCA's, MLNX_OFED's and Debian's packages: their names, versions, relations and places.

The vendor's kernel package builds its modules when it is configured, as DKMS makes it do: kernel objects that modinfo,
depmod and modprobe read, without code.
"""

from __future__ import annotations

import platform
from pathlib import Path

from ansible_collections.moefleet.serving.tests.testinfra.package_repository import StandIn

KERNEL = platform.release()
CORE = ("ib_core", "ib_uverbs", "mlx5_core", "mlx5_ib")
BUILDER = (Path(__file__).parent / "files" / "kernel_object.py").read_text(encoding="utf-8")


def kernel_package(short: str) -> StandIn:
    """mlnx-ofed-kernel-dkms of a release, such as 3.2.5."""
    version = f"24.10.OFED.24.10.{short}.1"
    source, modules = f"/usr/src/mlnx-ofed-kernel-{version}", f"/lib/modules/{KERNEL}/updates/dkms"
    fields = f'version=24.10-{short} "license=Dual BSD/GPL" "vermagic={KERNEL} SMP mod_unload modversions" depends='
    built = {name: f"{modules}/{name}.ko" for name in CORE}
    mark = f"OFED{short.replace('.', '')}"
    build = "".join(
        f"python3 {source}/kernel_object.py {path} name={name} srcversion={mark}{name} {fields} --needs module_layout\n"
        for name, path in built.items()
    )
    status = f"mlnx-ofed-kernel/{version}, {KERNEL}, x86_64: installed"
    return StandIn(
        "mlnx-ofed-kernel-dkms",
        f"{version}-1",
        "dkms",
        files={
            f"{source}/kernel_object.py": BUILDER,
            "/usr/src/ofa_kernel/default/Module.symvers": "0x1 ib_register_peer_memory_client ib_core EXPORT_SYMBOL\n",
        },
        postinst=f"#!/bin/sh\nset -e\nmkdir -p /var/lib/dkms\n{build}"
        f"echo '{status}' > /var/lib/dkms/mlnx-ofed-kernel.status\ndepmod -a {KERNEL} 2> /dev/null\n",
        prerm=f"#!/bin/sh\nrm -f /var/lib/dkms/mlnx-ofed-kernel.status {' '.join(built.values())}\n"
        f"depmod -a {KERNEL} 2> /dev/null || true\n",
    )


def scripts(short: str) -> StandIn:
    """ofed-scripts of a release, with ofed_info."""
    info = f"#!/bin/sh\necho OFED-internal-24.10-{short}:\n"
    return StandIn("ofed-scripts", f"24.10.OFED.24.10.{short}", files={"/usr/bin/ofed_info": info})


def doca(version: str, short: str) -> list[StandIn]:
    """A release of DOCA's two profiles."""
    depends = f"mlnx-ofed-kernel-dkms (= 24.10.OFED.24.10.{short}.1-1), ofed-scripts (= 24.10.OFED.24.10.{short})"
    return [
        StandIn("doca-ofed", version, f"{depends}, rdma-core (>= 2410mlnx54), mlnx-tools"),
        StandIn("doca-roce", version, depends),
        kernel_package(short),
        scripts(short),
    ]


LIBRARIES = [
    StandIn("rdma-core", "2410mlnx54-1.2410068", "libibverbs1 (>= 2410mlnx54)"),
    StandIn("libibverbs1", "2410mlnx54-1.2410068"),
    StandIn("mlnx-tools", "24.10-0.2410068"),
]
# DOCA brings a dkms, newer than the distribution's.
LIBRARIES_OF_DOCA = [*LIBRARIES, StandIn("dkms", "1:3.1.5-1")]
ARCHIVE = [
    StandIn(
        "mlnx-ofed-all",
        "24.10-3.2.5.0",
        "mlnx-ofed-kernel-dkms (= 24.10.OFED.24.10.3.2.5.1-1), ofed-scripts (= 24.10.OFED.24.10.3.2.5), rdma-core",
        conflicts="doca-ofed",
    ),
    kernel_package("3.2.5"),
    scripts("3.2.5"),
    *LIBRARIES,
]

DKMS = """#!/bin/sh
# status, and build of what has a builder; install has nothing left to do.
case $1 in
status) cat /var/lib/dkms/*.status 2> /dev/null; exit 0 ;;
build) shift
  while [ $# -gt 0 ]; do case $1 in -m) m=$2; shift ;; -v) v=$2; shift ;; -k) k=$2; shift ;; esac; shift; done
  exec /usr/src/$m-$v/build "$k" ;;
esac
"""
DEBIAN = [
    StandIn("dkms", "3.0.10-8+deb12u1", files={"/usr/sbin/dkms": DKMS}),
    StandIn(
        f"linux-headers-{KERNEL}",
        "6.18.44-1",
        files={
            f"/usr/lib/modules/{KERNEL}/build/include/generated/uapi/linux/version.h": "#define LINUX_VERSION_CODE 1\n"
        },
    ),
    StandIn("rdma-core", "44.0-2", "libibverbs1"),
    StandIn("libibverbs1", "44.0-2"),
    *(
        StandIn(name, "44.0-2", "libibverbs1")
        for name in ("ibverbs-providers", "ibverbs-utils", "rdmacm-utils", "infiniband-diags")
    ),
    StandIn("perftest", "4.5+0.17-1", "libibverbs1"),
]

# The vendor has a repository for each version.
REPOSITORIES = {
    "2.9.5": ("DOCA-HOST", [*doca("2.9.5-0.1.8", "3.2.5"), *LIBRARIES_OF_DOCA]),
    "2.9.6": ("DOCA-HOST", [*doca("2.9.6-0.1.9", "4.1.4"), *LIBRARIES_OF_DOCA]),
    "debian": ("Debian", DEBIAN),
}
