"""What tests ask a guest."""

from __future__ import annotations

from testinfra.host import Host

# The connection manager's settings of the RDMA device: in a directory that whoever wants to see them makes.
CONNECTIONS = "/sys/kernel/config/rdma_cm/rxe0"
CONNECTIONS_TOS = f"{CONNECTIONS}/ports/1/default_roce_tos"


def connections_tos(host: Host) -> str:
    """The type of service that the connection manager gives to connections."""
    tos: str = host.check_output(f"mkdir -p {CONNECTIONS} && cat {CONNECTIONS_TOS}")
    return tos


def initramfs(host: Host) -> str:
    """What is in the image that the next boot takes."""
    listing: str = host.check_output("lsinitramfs /boot/initrd.img-$(uname -r)")
    return listing
