"""Stand-ins for NVIDIA's packages of Debian 12, and for what a host with GPUs shows of them.

Names, versions, dependencies and places of files are the vendor's. What they hold is not: the kernel module is an empty
object that modinfo can read, and the tools print captured output.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import signing_key
from ansible_collections.moefleet.serving.tests.testinfra import package_repository
from ansible_collections.moefleet.serving.tests.testinfra.package_repository import StandIn

REPOSITORY = Path(__file__).resolve().parents[2]
# Two releases of each branch. From 580 on, the fabric manager has no branch in its name, and one package brings CUDA.
RELEASES = ("535.216.03", "535.261.03", "550.127.05", "550.144.03", "580.95.05", "580.126.20")
UNBRANCHED = 580
KERNEL = platform.release()  # the hosts run on this machine's

SMI = """#!/bin/sh
if ! version=$(cat /srv/hardware/sys/module/nvidia/version 2>/dev/null); then
  echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
  exit 9
fi
sed "s/^\\(Driver Version *: \\).*/\\1$version/" /srv/hardware/smi.txt
"""
DKMS = """#!/bin/sh
[ "$1" = status ] || exit 0
for built in /var/lib/dkms/*/*/*; do
  [ -d "$built" ] || continue
  kernel=${built##*/} source=${built%/*}
  version=${source##*/} name=${source%/*}
  if [ -e /var/lib/dkms/version-2 ]; then
    echo "${name##*/}, $version, $kernel, x86_64: installed"
  else
    echo "${name##*/}/$version, $kernel, x86_64: installed"
  fi
done
"""
FABRIC_MANAGER = """#!/bin/sh
loaded=$(cat /srv/hardware/sys/module/nvidia/version 2>/dev/null)
if [ "$loaded" != VERSION ]; then
  echo "fabric manager NVIDIA GPU driver interface version VERSION don't match with driver version $loaded. Please"
  exit 1
fi
echo "Fabric Manager version is : VERSION"
exec sleep infinity
"""
UNIT = """[Unit]
Description=DESCRIPTION

[Service]
ExecStart=/usr/bin/PROGRAM

[Install]
WantedBy=multi-user.target
"""
STOP = """#!/bin/sh
[ "$1" != remove ] || systemctl --quiet disable --now UNIT.service
"""
RELOAD = """#!/bin/sh
systemctl daemon-reload
systemctl reset-failed UNIT.service 2>/dev/null || true
"""
BUILD = """#!/bin/sh
for headers in /usr/src/linux-headers-[0-9]*; do
  kernel=${headers##*/linux-headers-}
  mkdir -p /lib/modules/$kernel/updates/dkms /var/lib/dkms/nvidia/VERSION/$kernel
  cp /usr/src/nvidia-VERSION/nvidia.ko /lib/modules/$kernel/updates/dkms/
  depmod $kernel 2>/dev/null
done
"""
FORGET = """#!/bin/sh
rm -rf /var/lib/dkms/nvidia/VERSION /lib/modules/*/updates/dkms/nvidia.ko
depmod 2>/dev/null || true
"""
# What a host has that isn't a package: the bus, the loaded modules, and a kernel that takes the stand-in for a module.
MODPROBE = """#!/bin/sh
for module; do :; done
[ "$module" = nvidia ] || exit 0
if ! version=$(modinfo --field version nvidia 2>/dev/null); then
  echo "modprobe: FATAL: Module nvidia not found in directory /lib/modules/$(uname -r)" >&2
  exit 1
fi
cd /srv/hardware
mkdir -p sys/module/nvidia proc/driver/nvidia
echo "$version" > sys/module/nvidia/version
sed -i /^nvidia/d proc/modules
echo "nvidia 1 0 - Live 0x0000000000000000 (OE)" >> proc/modules
on=0 words=
[ ! -e /etc/modprobe.d/moefleet-nvidia.conf ] || on=1 words='PeerMappingOverride=1;'
printf 'EnableStreamMemOPs: %s\\nRegistryDwords: "%s"\\n' $on "$words" > proc/driver/nvidia/params
"""
BOOT = """#!/bin/sh
# What a boot would do: the image's blacklist keeps nouveau away, the installed driver is loaded, its units start.
: > /srv/hardware/proc/modules
rm -rf /srv/hardware/sys/module/nvidia
grep -q nouveau /boot/initrd.img-$(uname -r) || echo "nouveau 1 0 - Live 0x0" > /srv/hardware/proc/modules
modprobe nvidia || exit 0
for unit in nvidia-persistenced nvidia-fabricmanager; do
  systemctl --quiet is-enabled $unit 2>/dev/null && systemctl restart $unit
done
exit 0
"""
INITRAMFS = """#!/bin/sh
# update-initramfs -u -k KERNEL
cat /etc/modprobe.d/*.conf > /boot/initrd.img-$3
echo "$*" >> /srv/hardware/initramfs.log
"""
GPUS = ("18", "2a", "3a", "5d", "9a", "ab", "ba", "db")
SWITCHES = ("07", "08", "09", "0a")


def daemon(name: str, version: str, program: str, script: str, *, depends: str = "", conflicts: str = "") -> StandIn:
    """A package with a daemon and its unit."""
    unit = "nvidia-persistenced" if name == "nvidia-persistenced" else "nvidia-fabricmanager"
    text = UNIT.replace("PROGRAM", program).replace("DESCRIPTION", f"stand-in for {program}")
    return StandIn(
        name,
        f"{version}-1",
        files={
            f"/usr/bin/{program}": script.replace("VERSION", version),
            f"/lib/systemd/system/{unit}.service": text,
        },
        prerm=STOP.replace("UNIT", unit),
        postinst=RELOAD.replace("UNIT", unit),
        postrm=RELOAD.replace("UNIT", unit),
        depends=depends,
        conflicts=conflicts,
        provides="fabricmanager" if conflicts else "",
    )


def release(version: str) -> Iterator[StandIn]:
    """One release of the driver. Libraries are bounded from below only, as the vendor's are."""
    branch, full = version.split(".", maxsplit=1)[0], f"{version}-1"
    for library in ("libnvidia-ml1", "libnvidia-ptxjitcompiler1", "firmware-nvidia-gsp", "nvidia-kernel-support"):
        yield StandIn(library, full)
    yield StandIn("libcuda1", full, depends=f"libnvidia-ptxjitcompiler1 (>= {full})")
    yield StandIn("nvidia-smi", full, depends=f"libnvidia-ml1 (>= {full})", files={"/usr/bin/nvidia-smi": SMI})
    yield StandIn(
        "nvidia-kernel-open-dkms",
        full,
        depends=f"dkms, nvidia-kernel-support (>= {full}), firmware-nvidia-gsp (= {full})",
        files={f"/usr/src/nvidia-{version}/nvidia.ko": package_repository.kernel_module("nvidia", version, KERNEL)},
        postinst=BUILD.replace("VERSION", version),
        prerm=FORGET.replace("VERSION", version),
    )
    yield daemon(
        "nvidia-persistenced",
        version,
        "nvidia-persistenced",
        "#!/bin/sh\nsleep infinity\n",
        depends=f"libnvidia-ml1 (>= {full})",
    )
    suffix = "" if int(branch) >= UNBRANCHED else f"-{branch}"
    if not suffix:
        yield StandIn("nvidia-driver-cuda", full, depends=f"nvidia-smi (>= {full}), libcuda1 (>= {full})")
    others = "" if not suffix else "nvidia-fabricmanager"
    yield daemon(
        f"nvidia-fabricmanager{suffix}",
        version,
        "nv-fabricmanager",
        FABRIC_MANAGER,
        conflicts=", ".join(filter(None, ["fabricmanager", others])),
    )
    yield StandIn(f"libnvidia-nscq{suffix}", full, conflicts="nscq", provides="nscq")


def all_packages(without: tuple[str, str] = ("", "")) -> list[StandIn]:
    """The whole repository, without a package of a version that has vanished."""
    build = [
        StandIn("dkms", "3.0.10-8", files={"/usr/sbin/dkms": DKMS}),
        StandIn("linux-headers-amd64", "6.1.0-1"),
        StandIn(f"linux-headers-{KERNEL}", "1", files={f"/usr/src/linux-headers-{KERNEL}/Makefile": "\n"}),
    ]
    driver = [package for version in RELEASES for package in release(version)]
    name, version = without
    return [package for package in build + driver if (package.name, package.version) != (name, f"{version}-1")]


def hardware() -> str:
    """A script that gives a host eight GPUs and four NVSwitches, none of them with a driver."""
    smi = (REPOSITORY / "tests/data/evidence/D02_smi_q_fabric_ok.txt").read_text(encoding="utf-8")
    files = {
        "/srv/hardware/proc/modules": "",
        "/srv/hardware/smi.txt": smi,
        f"/boot/initrd.img-{KERNEL}": "blacklist nouveau\n",
        "/usr/local/sbin/modprobe": MODPROBE,
        "/usr/local/sbin/stand-in-boot": BOOT,
        "/usr/local/sbin/update-initramfs": INITRAMFS,
    }
    for addresses, kind in ((GPUS, "0x030200"), (SWITCHES, "0x068000")):
        for bus in addresses:
            device = f"/srv/hardware/sys/bus/pci/devices/0000:{bus}:00.0"
            files |= {f"{device}/vendor": "0x10de\n", f"{device}/class": f"{kind}\n"}
    lines = ["set -eu"]
    for path, content in files.items():
        lines += [f"mkdir -p {Path(path).parent}", f"cat > {path} <<'END-OF-FILE'", f"{content}END-OF-FILE"]
        lines += [f"chmod 755 {path}"] if content.startswith("#!") else []
    # As old as the kernel, so that every configuration file is newer.
    return "\n".join([*lines, f"touch -d 2026-01-01 /boot/initrd.img-{KERNEL}", ""])


def build(directory: Path, without: tuple[str, str] = ("", "")) -> None:
    """Write the repository, signed, and the script for the hosts."""
    repository = directory / "repository"
    package_repository.build(repository, all_packages(without))
    key = package_repository.sign(repository, directory / "keyring")
    fingerprints = [found.fingerprint for found in signing_key.keys(key.read_bytes())]
    (directory / "fingerprint").write_text(fingerprints[0], encoding="ascii")
    (directory / "hardware.sh").write_text(hardware(), encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
