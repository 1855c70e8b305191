"""Write docs/reference from the roles' argument specs and the plugins' own documentation, as ansible-doc gives them.

``--check`` writes nothing and fails when a page is not what would be written.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
PLACE = REPOSITORY / "docs" / "reference"
COLLECTION = "moefleet.serving"
INTRODUCTION = {
    "roles": "What each role takes, from its `meta/argument_specs.yml`, against which Ansible checks it at run time.",
    "modules": "The collection's modules; `ansible-doc moefleet.serving.NAME` prints the same.",
    "filters": "The collection's filters; `ansible-doc -t filter moefleet.serving.NAME` prints the same.",
}

_MARKUP = [
    (re.compile(r"\b[CVOEMP]\(((?:\\.|[^)\\])*)\)"), r"`\1`"),
    (re.compile(r"\bRV\(((?:\\.|[^)\\])*)\)"), r"`\1`"),
    (re.compile(r"\bB\(([^)]*)\)"), r"**\1**"),
    (re.compile(r"\bI\(([^)]*)\)"), r"*\1*"),
    (re.compile(r"\bL\(([^,)]*), *([^)]*)\)"), r"[\1](\2)"),
    (re.compile(r"\bU\(([^)]*)\)"), r"<\1>"),
]


def ansible_doc(kind: str) -> dict[str, Any]:
    """Return the documentation of all of the collection's roles, modules or filters, by short name."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")}
    program = str(Path(sys.executable).parent / "ansible-doc")

    def ask(*arguments: str) -> dict[str, Any]:
        command = [program, "--json", "--type", kind, *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    names = sorted(ask("--list", COLLECTION))
    pages = ask(*names) if names else {}
    return {name.removeprefix(f"{COLLECTION}."): pages[name] for name in names}


def prose(description: Any) -> str:
    """Return a description, a string or a list of them, as Markdown."""
    text = " ".join(description) if isinstance(description, list) else str(description or "")
    for pattern, markdown in _MARKUP:
        text = pattern.sub(markdown, text)
    return " ".join(text.split())


def type_of(option: dict[str, Any]) -> str:
    """Return an option's type with its elements and choices."""
    elements = f" of {option['elements']}" if "elements" in option else ""
    choices = option.get("choices") or []
    one_of = " or ".join(f"`{choice}`" for choice in choices)
    return f"{option.get('type', 'str')}{elements}" + (f": {one_of}" if one_of else "")


def default_of(option: dict[str, Any]) -> str:
    """Return an option's default as a reader would write it, or that it must be given."""
    if option.get("required"):
        return "required"
    default = option.get("default")
    if default is None:
        return ""
    return f"`{default}`" if isinstance(default, str) and default else f"`{json.dumps(default)}`"


def flat(options: dict[str, Any], children: str, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield options (or return values) with their paths; those inside others follow them."""
    for name, option in options.items():
        yield f"{where}{name}", option
        inner = "[]." if option.get("type") == "list" else "."
        yield from flat(option.get(children) or {}, children, f"{where}{name}{inner}")


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Return a Markdown table, or nothing for no rows."""
    if not rows:
        return []
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return ["| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *cells]] + [""]


def options_table(options: dict[str, Any], children: str) -> list[str]:
    """Return the table of what a role, module or filter takes."""
    rows = [
        [f"`{name}`", type_of(option), default_of(option), prose(option.get("description"))]
        for name, option in flat(options, children)
    ]
    return table(["name", "type", "default", "meaning"], rows)


def role(name: str, page: dict[str, Any]) -> list[str]:
    """Return one role's section; entry points besides main have their own headings."""
    lines = [f"## {name}", ""]
    for entry_point, entry in page["entry_points"].items():
        if entry_point != "main":
            lines += [f"### {name}, tasks_from: {entry_point}", ""]
        lines += [f"{prose(entry['short_description'])}.".replace("..", "."), "", prose(entry.get("description")), ""]
        lines += options_table(entry.get("options") or {}, "options")
    return lines


def plugin(name: str, page: dict[str, Any]) -> list[str]:
    """Return one module's or filter's section."""
    doc = page["doc"]
    lines = [
        f"## {name}",
        "",
        f"{prose(doc['short_description'])}.".replace("..", "."),
        "",
        prose(doc["description"]),
        "",
    ]
    lines += options_table(doc.get("options") or {}, "suboptions")
    if page.get("examples"):
        lines += ["```yaml", page["examples"].strip("\n"), "```", ""]
    returned = [
        [f"`{key}`", type_of(value), prose(value.get("description"))]
        for key, value in flat(page.get("return") or {}, "contains")
    ]
    return [*lines, *table(["returned", "type", "meaning"], returned)]


def pages() -> dict[str, str]:
    """Return every page's text by its name."""
    sections = {
        "roles": [line for name, page in ansible_doc("role").items() for line in role(name, page)],
        "modules": [line for name, page in ansible_doc("module").items() for line in plugin(name, page)],
        "filters": [line for name, page in ansible_doc("filter").items() for line in plugin(name, page)],
    }
    return {
        name: "\n".join([f"# {name.capitalize()}", "", INTRODUCTION[name], "", "Written by `make docs`.", "", *lines])
        for name, lines in sections.items()
    }


def main() -> int:
    """Write the pages, or with ``--check`` name those that are out of date."""
    stale = []
    for name, text in pages().items():
        file = PLACE / f"{name}.md"
        wanted = text.rstrip("\n") + "\n"
        if file.exists() and file.read_text(encoding="utf-8") == wanted:
            continue
        stale.append(file.relative_to(REPOSITORY).as_posix())
        if "--check" not in sys.argv[1:]:
            PLACE.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted, encoding="utf-8")
    if "--check" in sys.argv[1:]:
        if stale:
            print(f"out of date (make docs writes them): {', '.join(stale)}")
        return 1 if stale else 0
    print(f"written: {', '.join(stale) or 'nothing, all current'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
