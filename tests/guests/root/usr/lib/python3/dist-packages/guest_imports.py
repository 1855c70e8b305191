"""Compiling Python takes long in software emulation. What is imported from an archive, as every Ansible module is, is
compiled once in a guest's life.
"""
# Each Python that starts loads this: nothing is imported before it is needed, and nothing large at all.
# ruff: noqa: PLC0415, PTH103, PTH105, PTH123
# mypy: ignore-errors

import zipimport

CACHE = "/var/cache/guest-imports"
compile_source = zipimport._compile_source


def compiled(pathname, source):
    """The code of a source, from the cache when it is there."""
    import _sha1
    import marshal
    import os

    path = f"{CACHE}/{_sha1.sha1(source).hexdigest()}"
    try:
        with open(path, "rb") as stream:
            return marshal.loads(stream.read())
    except (OSError, EOFError, ValueError):
        code = compile_source(pathname, source)
    try:
        os.makedirs(CACHE, exist_ok=True)
        with open(f"{path}.{os.getpid()}", "wb") as stream:
            stream.write(marshal.dumps(code))
        os.replace(f"{path}.{os.getpid()}", path)
    except OSError:
        pass  # not root: it does without
    return code


zipimport._compile_source = compiled
