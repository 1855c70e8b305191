#!/usr/bin/python3
"""Write a kernel object that carries what modinfo, depmod and modprobe read of one, and no code.

kernel_object.py PATH FIELD=VALUE ... [--needs SYMBOL ...]
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

_RELOCATABLE, _X86_64 = 1, 62
_PROGBITS, _SYMTAB, _STRTAB = 1, 2, 3
_HEADER, _ENTRY = 64, 64


def _section(name: int, kind: int, offset: int, size: int, more: tuple[int, int, int] = (0, 0, 0)) -> bytes:
    link, info, entry = more
    return struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, offset, size, link, info, 1, entry)


def kernel_object(fields: list[str], needs: list[str]) -> bytes:
    """An ELF file with .modinfo (the fields), __versions (the symbols that it needs) and an empty table of symbols."""
    modinfo = b"".join(field.encode() + b"\0" for field in fields)
    versions = b"".join(struct.pack("<Q56s", 0x1000 + at, name.encode()) for at, name in enumerate(needs))
    contents = {
        ".modinfo": (_PROGBITS, modinfo),
        "__versions": (_PROGBITS, versions),
        ".symtab": (_SYMTAB, bytes(24)),
        ".strtab": (_STRTAB, b"\0"),
    }
    names = b"\0" + b"".join(name.encode() + b"\0" for name in [*contents, ".shstrtab"])
    body, table = b"", [bytes(_ENTRY)]
    for name, (kind, data) in contents.items():
        at = names.index(name.encode() + b"\0")
        # The table of symbols links to the names of its symbols, the next section.
        more = (len(table) + 1, 1, 24) if kind == _SYMTAB else (0, 0, 0)
        table.append(_section(at, kind, _HEADER + len(body), len(data), more))
        body += data + bytes(-len(data) % 8)
    table.append(_section(names.index(b".shstrtab\0"), _STRTAB, _HEADER + len(body), len(names)))
    body += names + bytes(-len(names) % 8)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    numbers = (
        _RELOCATABLE,
        _X86_64,
        1,
        0,
        0,
        _HEADER + len(body),
        0,
        _HEADER,
        0,
        0,
        _ENTRY,
        len(table),
        len(table) - 1,
    )
    return ident + struct.pack("<HHIQQQIHHHHHH", *numbers) + body + b"".join(table)


def main() -> None:
    """Write one."""
    path, *words = sys.argv[1:]
    at = words.index("--needs") if "--needs" in words else len(words)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(kernel_object(words[:at], words[at + 1 :]))


if __name__ == "__main__":
    main()
