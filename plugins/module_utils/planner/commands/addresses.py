# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the hosts' commands meet: the head's address and handshake port, and the interfaces of the data network."""

from __future__ import annotations

from collections.abc import Mapping

from .. import addresses
from ..engine.defaults import default
from ..engine.flags import MULTI_NODE_SINCE
from ..request import Host
from .layout import Effect
from .line import Command
from .notes import Notes


def check_addresses(found: Effect, head: Command | None, by_name: Mapping[str, Host], notes: Notes) -> None:
    """Every host names the head's address on the data network, and the same port of the handshake."""
    owners = {
        address: name
        for name, host in by_name.items()
        if host.data_address and (address := addresses.parse(host.data_address))
    }
    right = next((address for address, name in owners.items() if head and name == head.host), None)
    given = addresses.parse(head.text("--data-parallel-address") or "") if head else None
    for item in found.shares:
        _check_address(item.command, right or given, owners, notes)
    if not any("--data-parallel-rpc-port" in item.command.options for item in found.shares):
        port = default("data_parallel_rpc_port", MULTI_NODE_SINCE)
        message = f"commands: no --data-parallel-rpc-port: the handshake is on {port} of the head, vLLM's default"
        notes.tells("rpc_port_default", message, "let the firewall pass it, or choose one")
    ports = {item.command.host: _rpc_port(item.command) for item in found.shares}
    expected = ports.get(head.host) if head else next(iter(ports.values()), None)
    for item in found.shares:
        port = ports[item.command.host]
        if port is not None and expected is not None and port != expected:
            message = f"commands.{item.command.host}: --data-parallel-rpc-port {port}, the head listens on {expected}"
            notes.hangs("rpc_port", message, f"use {expected} on every host")
    if head is not None and expected is not None and (head.integer("--port") or 8000) == expected:
        message = f"commands.{head.host}: --port and --data-parallel-rpc-port are both {expected}"
        notes.stops("port_conflict", message, "use two ports")


def _rpc_port(command: Command) -> int | None:
    if "--data-parallel-rpc-port" not in command.options:
        return int(default("data_parallel_rpc_port", MULTI_NODE_SINCE))
    return command.integer("--data-parallel-rpc-port")


def _check_address(
    command: Command, right: addresses.Address | None, owners: Mapping[addresses.Address, str], notes: Notes
) -> None:
    where = f"commands.{command.host}"
    flag = "--data-parallel-address"
    text = command.text(flag) or command.text("--master-addr")
    fix = f"use {flag} {right}" if right is not None else f"add {flag} with the head's address on the data network"
    if text is None:
        message = f"{where}: without {flag} it is 127.0.0.1, where no other host is"
        notes.hangs("no_address", message, fix)
        return
    if any(option.open for name, option in command.options.items() if name in (flag, "--master-addr")):
        return
    problem = addresses.check(f"{where}: {flag}", text)
    if problem is not None:
        say = notes.doubts if problem.code == "address.hostname" else notes.hangs
        say("address", problem.message, fix)
        return
    address = addresses.parse(text)
    if address is None or right is None or address == right:
        return
    owner = owners.get(address)
    whose = "its own address" if owner == command.host else f"the address of {owner or 'no host of the cluster'}"
    notes.hangs("address", f"{where}: {flag} {text} is {whose}, the head's is {right}", fix)


def check_interfaces(found: Effect, by_name: Mapping[str, Host], notes: Notes) -> None:
    """The engines' own address and the interfaces of gloo and NCCL are those of the data network."""
    for item in found.shares:
        variables, where = item.command.environment, f"commands.{item.command.host}"
        host = by_name.get(item.command.host)
        if "GLOO_SOCKET_IFNAME" not in variables:
            message = (
                f"{where}: no GLOO_SOCKET_IFNAME: a host name that resolves to 127.0.1.1 makes gloo take the loopback"
            )
            notes.alters("no_interface", message, "set it and NCCL_SOCKET_IFNAME to the data interface")
        for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            given = variables.get(name, "").lstrip("=")
            if given and host and host.data_interface and given != host.data_interface and "$" not in given:
                message = f"{where}: {name} {given} is not the data network's interface, {host.data_interface}"
                notes.alters("interface", message, f"use {host.data_interface}")
        own, said = host.data_address if host else None, variables.get("VLLM_HOST_IP")
        if own and said and "$" not in said and addresses.parse(said) != addresses.parse(own):
            notes.hangs("host_ip", f"{where}: VLLM_HOST_IP {said} is not its own data address, {own}", f"use {own}")
