"""A captured output of a tool, with its right answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import registry
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import Evidence

DATA = Path(__file__).resolve().parents[3] / "data" / "evidence"


@dataclass(frozen=True)
class Captured:
    """An output and what is right. `complete`: a part of it can be told from the whole."""

    tool: str
    file: str
    verdict: str
    values: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    complete: bool = True
    part: tuple[int | None, ...] = (None,)

    def __str__(self) -> str:
        return f"{self.tool}-{self.file}-{self.verdict}"

    @property
    def text(self) -> str:
        lines = (DATA / self.file).read_bytes().decode("utf-8").splitlines(keepends=True)
        return "".join(lines[slice(*self.part)])

    def judge(self, text: str | None = None) -> Evidence:
        return registry.parse(self.tool, self.text if text is None else text, self.context)
