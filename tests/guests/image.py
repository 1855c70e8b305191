"""The disk that every guest starts from: Debian with its own kernel and boot loader, made once and kept.

It is made without loop devices: `mke2fs -d` fills the partition, and GRUB's boot sector and core image go where
grub-install would put them, in front of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

RELEASE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = (
    # what boots
    *("linux-image-amd64", "initramfs-tools", "zstd", "grub2-common", "grub-pc-bin"),
    *("systemd", "systemd-sysv", "systemd-timesyncd", "dbus", "udev", "kmod", "procps"),
    # what Ansible needs
    *("openssh-server", "python3", "python3-apt"),
    # the network and RDMA
    *("iproute2", "iputils-ping", "ethtool", "pciutils"),
    *("rdma-core", "ibverbs-providers", "ibverbs-utils", "rdmacm-utils", "perftest", "iperf3"),
)
# Of no use in a guest, and a third of the image.
EXCLUDED = (
    *("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"),
    "/lib/modules/*/kernel/sound/*",
    *("/lib/modules/*/kernel/drivers/net/wireless/*", "/lib/modules/*/kernel/net/wireless/*"),
    *("/lib/modules/*/kernel/drivers/watchdog/*", "/lib/modules/*/kernel/drivers/input/misc/*"),
    *("/lib/modules/*/kernel/drivers/gpu/drm/amd/*", "/lib/modules/*/kernel/drivers/gpu/drm/i915/*"),
    # Parts of an initramfs and of a boot menu that these guests have no use for. Each file that goes in is a second or
    # two of software emulation; udev's would look at every device twice.
    *(
        f"/usr/share/initramfs-tools/hooks/{name}"
        for name in ("dmsetup", "fsck", "keymap", "resume", "thermal", "udev")
    ),
    "/usr/share/initramfs-tools/scripts/*/udev",
    *(f"/etc/grub.d/{name}" for name in ("05_debian_theme", "20_linux_xen", "30_os-prober", "30_uefi-firmware")),
    *(f"/etc/grub.d/{name}" for name in ("40_custom", "41_custom")),
)
SERVICES = ("guest-identity", "guest-marks", "soft-roce", "systemd-networkd", "ssh")
# What would compute beside the tests, or keeps a start waiting, and nobody here looks at. rdma-core's list of modules
# to load holds storage protocols; modules-load.d has the two that the tests need.
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer", "man-db.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "rdma-load-modules@rdma.service", "rdma-ndd.service"),
    *("getty@tty1.service", "serial-getty@ttyS0.service", "systemd-networkd-wait-online.service"),
    *("proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service", "systemd-pstore.service"),
    *("modprobe@drm.service", "modprobe@efi_pstore.service", "systemd-update-utmp.service", "dev-mqueue.mount"),
)
# In the root file system, by tar's names; below root/ beside this file.
FILES = Path(__file__).parent / "root"
DISK_BYTES = 3 * 2**30
SECTOR = 512
PARTITION_SECTOR = 2048
PROGRAMS: Mapping[str, str] = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "ssh-keygen": "openssh-client",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
}
BUILD_TIMEOUT_S = 900
KEEP_S = 24 * 3600

CUSTOMIZE = r"""#!/bin/sh
set -eu
mkdir -p "$1/boot/grub"
chroot "$1" grub-mkimage -O i386-pc -o /boot/grub/core.img -p '(hd0,msdos1)/boot/grub' biosdisk part_msdos ext2
cp -a "$1/usr/lib/grub/i386-pc" "$1/boot/grub/"
mv "$1/boot/first-grub.cfg" "$1/boot/grub/grub.cfg" # earlier, the kernel package would have run update-grub
chroot "$1" systemctl --quiet enable {services}
chroot "$1" systemctl --quiet mask {masked}
chroot "$1" systemctl --quiet set-default multi-user.target
rm -f "$1/etc/machine-id" "$1/etc/resolv.conf" "$1/etc/hostname" "$1/var/cache/apt/"*.bin
: > "$1/etc/machine-id"
"""


def files_archive(files: Mapping[str, str]) -> bytes:
    """An archive of text files by path, all root's and the same bytes each time."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size = len(content.encode())
            entry.mode = 0o600 if "/.ssh/" in name else 0o644
            archive.addfile(entry, io.BytesIO(content.encode()))
    return stream.getvalue()


def own_files() -> dict[str, str]:
    """The files under root/, by path in the image."""
    found = (path for path in FILES.rglob("*") if path.is_file())
    return {str(path.relative_to(FILES)): path.read_text(encoding="utf-8") for path in found}


def digest() -> str:
    """What the image is known by: anything that goes into it makes another one."""
    described = json.dumps([RELEASE, PACKAGES, EXCLUDED, SERVICES, MASKED, DISK_BYTES, CUSTOMIZE, own_files()])
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def missing_packages() -> list[str]:
    """Debian packages that this machine needs for guests and has not got."""
    return sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})


def install_missing() -> None:
    """Install what is missing, as little as that takes."""
    packages = missing_packages()
    if not packages:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
    for command in (["apt-get", "update", "-qq"], [*install, *packages]):
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=BUILD_TIMEOUT_S)


def partition_table() -> bytes:
    """The last 72 bytes of the first sector: one bootable Linux partition to the disk's end."""
    sectors = DISK_BYTES // SECTOR - PARTITION_SECTOR
    anywhere = b"\xfe\xff\xff"  # no cylinders, heads and sectors: the sector numbers count
    entry = b"\x80" + anywhere + b"\x83" + anywhere + PARTITION_SECTOR.to_bytes(4, "little")
    entry += sectors.to_bytes(4, "little")
    return b"gst\0\0\0" + entry + bytes(48) + b"\x55\xaa"  # the disk's signature first


def write_boot_loader(disk: Path, boot: bytes, core: bytes) -> None:
    """GRUB's boot sector, the partition table and GRUB's core image, which the boot sector looks for right behind."""
    if len(core) > (PARTITION_SECTOR - 1) * SECTOR:
        raise ValueError(f"GRUB's core image has {len(core)} bytes, more than the space before the first partition")
    table = partition_table()
    with disk.open("r+b") as device:
        device.write(boot[: SECTOR - len(table)] + table + core)


def build(directory: Path) -> None:
    """Make `directory` with disk.raw, the kernel (vmlinuz) and the guests' public host key (host_key.pub)."""
    part = directory.with_name(directory.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    root = part / "root"
    (part / "files.tar").write_bytes(files_archive(own_files()))
    customize = part / "customize"
    customize.write_text(CUSTOMIZE.format(services=" ".join(SERVICES), masked=" ".join(MASKED)), encoding="utf-8")
    customize.chmod(0o755)
    arguments = [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
    arguments += [f"--include={','.join(PACKAGES)}", "--aptopt=Acquire::Languages none"]
    # Before the packages that read them: the initramfs is built once.
    arguments += [f'--essential-hook=tar --extract --directory="$1" --file={part}/files.tar']
    arguments += [f"--customize-hook={customize}"]
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", *arguments, RELEASE, str(root), MIRROR],
        check=True,
        timeout=BUILD_TIMEOUT_S,
    )
    disk = part / "disk.raw"
    with disk.open("wb") as device:
        device.truncate(DISK_BYTES)
    subprocess.run(
        [
            *("mke2fs", "-q", "-t", "ext4", "-L", "guest", "-m", "0", "-O", "^has_journal", "-d", str(root)),
            *("-E", f"offset={PARTITION_SECTOR * SECTOR}", str(disk)),
            f"{(DISK_BYTES - PARTITION_SECTOR * SECTOR) // 1024}k",
        ],
        check=True,
        timeout=BUILD_TIMEOUT_S,
    )
    write_boot_loader(
        disk,
        (root / "usr/lib/grub/i386-pc/boot.img").read_bytes(),
        (root / "boot/grub/core.img").read_bytes(),
    )
    shutil.copyfile(next((root / "boot").glob("vmlinuz-*")), part / "vmlinuz")
    shutil.copyfile(root / "etc/ssh/ssh_host_ed25519_key.pub", part / "host_key.pub")
    shutil.rmtree(root)
    for name in ("customize", "files.tar"):
        (part / name).unlink()
    part.rename(directory)


def ensure(images: Path) -> Path:
    """The directory of the image as it is described here, made when it isn't there. Those that nobody has used for a
    day go; another checkout may be using its own.
    """
    wanted = images / digest()
    for old in images.glob("*"):
        if old != wanted and time.time() - old.stat().st_mtime > KEEP_S:
            shutil.rmtree(old)
    if not wanted.is_dir():
        images.mkdir(parents=True, exist_ok=True)
        build(wanted)
    os.utime(wanted)
    return wanted
