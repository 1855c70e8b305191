"""A port with its files under a directory and tools that record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result
from ansible_collections.moefleet.serving.plugins.module_utils.roce import converge, desired

from . import port_double

MLX = {"ofed": ("mlnx_qos", "dcb"), "inbox": ("dcb",), "rxe": ()}


@dataclass
class Bench:
    """A host: its root, its tools, and short ways to work on it."""

    root: Path
    port: port_double.Port

    def run(self, argv: Sequence[str]) -> Result:
        return Result(*self.port.answer(argv), argv=tuple(argv))

    def want(self, **choices: Any) -> desired.Desired:
        return desired.from_mapping({"interface": "eth1", "subnet": "192.168.1.0/24", **choices})

    def survey(self, present: bool = True, **choices: Any) -> converge.Survey:
        return converge.survey(self.want(**choices), present, self.run, self.root)

    def converge(self, present: bool = True, **choices: Any) -> converge.Outcome:
        return converge.converge(self.want(**choices), present, self.run, self.root, link_s=0)

    @property
    def log(self) -> list[str]:
        logged: list[str] = self.port.state["log"]
        return logged

    def text(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8").strip()

    def put(self, path: str, text: str) -> None:
        port_double.write(self.root / path, text + "\n")


def bench(root: Path, kind: str, **more: Any) -> Bench:
    """A fresh host of a kind: ofed, inbox, rxe."""
    port_double.tree(root, kind, **more)
    return Bench(root, port_double.Port(tools=MLX[kind]))


@pytest.fixture
def ofed(tmp_path: Path) -> Bench:
    """A port that OFED's driver runs."""
    return bench(tmp_path, "ofed")


@pytest.fixture
def inbox(tmp_path: Path) -> Bench:
    """A port that the kernel's own driver runs."""
    return bench(tmp_path, "inbox")


@pytest.fixture
def rxe(tmp_path: Path) -> Bench:
    """Soft-RoCE: no QoS tree."""
    return bench(tmp_path, "rxe")
