"""Which files of the suite a command needs: found by following its imports, so that no list has to be kept by hand.

    from scribe.files.needed_files import needed_files
    found, missing = needed_files(folder, ["train.py", "sample.py"])

Nothing is imported or run: sources are parsed. Imports within functions count as well.
"""

import ast
import functools
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # of the suite on this machine


def needed_files(folder: str, entries: list[str]) -> tuple[list[str], list[str]]:
    """The files of the suite that some of its files need, these included.

    Args:
        folder: the suite's. entries: paths in it to begin with, such as "train.py".

    Returns:
        (found, missing): sorted paths within the folder, with "/". Modules outside of scribe/ and of the files beside
        `entries` are taken for those of other packages. Imports of a file that is not Python are not followed.
    """
    found, missing, queue = set(), set(), list(entries)
    while queue:
        path = queue.pop()
        if path in found or path in missing:
            continue
        try:
            with open(os.path.join(folder, path), "rb") as file:
                imports = _imports(file.read())
        except FileNotFoundError:
            missing.add(path)
            continue
        except OSError:
            imports = ()
        found.add(path)
        for module, name in imports:
            queue += _files_of(folder, module, name)
    return sorted(found), sorted(missing)


@functools.lru_cache(maxsize=256)
def _imports(source):
    """(module, name or None) of every `import module` and `from module import name`; none where it is not Python."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return ()
    plain = [(alias.name, None) for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    from_ = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return tuple(plain + [(node.module, alias.name) for node in from_ for alias in node.names])


def _files_of(folder, module, name):
    """Paths of the files that an import needs; none for a module of another package."""
    parts = module.split(".")
    if parts[0] != "scribe":
        path = f"{parts[0]}.py"
        return [path] if os.path.exists(os.path.join(folder, path)) else []
    if name and os.path.isdir(os.path.join(folder, *parts)):  # the __init__ files are empty: the name is a module
        parts.append(name)
    packages = ["/".join([*parts[:k], "__init__.py"]) for k in range(1, len(parts))]
    return [*packages, "/".join(parts) + ".py"]
