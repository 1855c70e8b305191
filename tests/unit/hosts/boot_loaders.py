"""Hosts with a boot loader: their tools do to files what the real ones do."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result

from .runner import Programs, printed

DATA = Path(__file__).resolve().parents[2] / "data" / "host_tuning"
MARK = "@WORDS@"
STARTED = "BOOT_IMAGE=/boot/vmlinuz-6.1.0-28-amd64 root=UUID=0ff3 ro quiet"
# How grub-mkconfig of Debian and Ubuntu reads its settings: the file, then the directory, by a shell.
SETTINGS = (
    '. "$1/etc/default/grub"; for x in "$1"/etc/default/grub.d/*.cfg; do if [ -e "$x" ]; then . "$x"; fi; done;'
    ' printf %s "$GRUB_CMDLINE_LINUX|$GRUB_CMDLINE_LINUX_DEFAULT"'
)


def put(root: Path, path: str, text: str) -> Path:
    """A file below a root."""
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def boot(root: Path, command_line: str = STARTED) -> None:
    """Start the kernel with a command line."""
    put(root, "/proc/cmdline", command_line + "\n")


class GrubHost(Programs):
    """Debian 12 with GRUB. `update_grub` may be replaced by one that fails."""

    def __init__(self, root: Path) -> None:
        self.root = root
        super().__init__({"update-grub": self.update_grub, f"chroot {root} update-grub": self.update_grub})
        put(root, "/etc/default/grub", 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n')
        put(root, "/usr/sbin/update-grub", "")
        boot(root)
        self.update_grub([])
        self.calls.clear()

    def update_grub(self, _argv: list[str]) -> Result:
        done = subprocess.run(["sh", "-ec", SETTINGS, "sh", str(self.root)], capture_output=True, text=True, check=True)
        linux, default = done.stdout.split("|")
        text = (DATA / "grub_debian12.cfg").read_text(encoding="utf-8").replace(" quiet", f" {default}".rstrip())
        put(self.root, "/boot/grub/grub.cfg", text.replace(MARK, f" {linux}".rstrip()))
        return Result(0, stderr="Generating grub configuration file ...\n")

    def reboot(self) -> None:
        """Start the kernel as the first entry says."""
        text = (self.root / "boot/grub/grub.cfg").read_text(encoding="utf-8")
        line = next(line for line in text.splitlines() if line.strip().startswith("linux"))
        boot(self.root, "BOOT_IMAGE=" + " ".join(line.split()[1:]))


class GrubbyHost(Programs):
    """RHEL 9 with its boot loader entries."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.words: list[str] = []
        super().__init__(
            {f"chroot {root} grubby --info=ALL": self.info, f"chroot {root} grubby --update-kernel=ALL": self.update}
        )
        put(root, "/usr/sbin/grubby", "")
        boot(root, "BOOT_IMAGE=(hd0,gpt2)/vmlinuz-5.14.0 ro")

    def info(self, _argv: list[str]) -> Result:
        text = (DATA / "grubby_info_rhel9.txt").read_text(encoding="utf-8")
        return printed(text.replace(MARK, "".join(f" {word}" for word in self.words)))

    def update(self, argv: list[str]) -> Result:
        option, _, words = argv[-1].partition("=")
        for word in words.split():
            name = word.partition("=")[0]
            # --args replaces a word of the same name.
            self.words = [
                one
                for one in self.words
                if (one != word if option == "--remove-args" else one.partition("=")[0] != name)
            ]
            if option == "--args":
                self.words.append(word)
        return Result(0)
