"""Whether every name that a script imports from another is there, without running any of them: `imports.py`."""

import ast
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parent


def defined(tree):
    """Names that a module has when it is imported."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)


def main():
    trees = {path: ast.parse(path.read_text(), str(path)) for path in sorted(SCRIPTS.glob("*.py"))}
    names = {path.stem: set(defined(tree)) for path, tree in trees.items()}
    missing = [
        f"{path.name}:{node.lineno}: {node.module} has no {alias.name}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in names
        for alias in node.names
        if alias.name not in names[node.module]
    ]
    if missing:
        sys.exit("\n".join(missing))
    print(f"{len(trees)} scripts find in each other what they import")


main()
