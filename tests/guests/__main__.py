"""Two guests with a kernel of their own: `python -m …tests.guests create`, and `destroy`.

They are what containers are not: modules, kernel parameters, an initramfs, a boot loader and reboots of their own.
Needs QEMU 7.2 or newer, root to make the image, and no network but a Debian mirror, once.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from . import accelerator, image
from .guest import Guest, await_boot, start, stop

MOEFLEET = Path("/var/lib/moefleet")
STATE = MOEFLEET / "labs" / "kernel"
IMAGES = MOEFLEET / "guests"
GUESTS = (Guest("guest-0", 10, "192.168.1.10", STATE), Guest("guest-1", 11, "192.168.1.11", STATE))
SSH_CONFIG = STATE / "ssh_config"


def ssh_config(ports: dict[str, int]) -> str:
    """How ssh reaches each guest. A connection to one that rebooted ends when something is sent over it."""
    hosts = "".join(f"Host {name}\n  Port {port}\n" for name, port in ports.items())
    return f"""{hosts}Host *
  HostName 127.0.0.1
  User root
  IdentityFile {STATE}/key
  IdentitiesOnly yes
  HostKeyAlias moefleet-guest
  UserKnownHostsFile {STATE}/known_hosts
  StrictHostKeyChecking yes
  ServerAliveInterval 5
  ServerAliveCountMax 24
  LogLevel ERROR
"""


def say(started: float, words: str) -> None:
    """What takes time, and how long it took."""
    print(f"[{time.monotonic() - started:4.0f} s] {words}", flush=True)


def create() -> None:
    """Make the guests anew and wait until both are up."""
    started = time.monotonic()
    destroy()
    image.install_missing()
    IMAGES.mkdir(parents=True, exist_ok=True)
    made_from = image.ensure(IMAGES / "images")
    say(started, f"image {made_from.name}")
    chosen = accelerator.choose(made_from / "vmlinuz", IMAGES / "accelerator.json")
    say(started, f"guests run under {chosen}")
    STATE.mkdir(parents=True)
    key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "moefleet guests", "-f", f"{STATE}/key"]
    subprocess.run(key, check=True, timeout=60)
    ports = {guest.name: start(guest, GUESTS, made_from, chosen) for guest in GUESTS}
    SSH_CONFIG.write_text(ssh_config(ports), encoding="utf-8")
    host_key = " ".join((made_from / "host_key.pub").read_text(encoding="utf-8").split()[:2])
    (STATE / "known_hosts").write_text(f"moefleet-guest {host_key}\n", encoding="utf-8")
    for guest in GUESTS:
        say(started, f"{guest.name} is {await_boot(guest, SSH_CONFIG)}")


def destroy() -> None:
    """End the guests and remove what is theirs. The image stays, for the next time."""
    for guest in GUESTS:
        stop(guest)
    shutil.rmtree(STATE, ignore_errors=True)


if __name__ == "__main__":
    {"create": create, "destroy": destroy}[sys.argv[1]]()
