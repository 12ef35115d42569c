#!/usr/bin/env python3
"""Fails if source files of a crate have an import cycle.

An import counts for the file that defines the name: re-exports are followed. A file may use the
definitions of its parent module. Tests within a file do not count.
"""
import re
import sys
from pathlib import Path

NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"', re.S)
USE = re.compile(r"\buse\s+(?!dyn\b)([^;=]+);")
PATH = re.compile(r"(?<![\w:])(?:crate|super|self|[a-z_]\w*)(?:::\w+)+")


def leaves(tree, prefix=()):
    """The paths of a use tree such as `a::{b, c as d}`, each with the name that it brings."""
    head, brace, rest = tree.strip().partition("{")
    path = prefix + tuple(part.strip() for part in head.split("::") if part.strip())
    if not brace:
        last, _, alias = path[-1].partition(" as ")
        path = path[:-1] if last == "self" else (*path[:-1], last)
        return [(path, alias or path[-1])]
    parts, depth = [""], 0
    for char in rest[: rest.rindex("}")]:
        depth += (char == "{") - (char == "}")
        parts += [""] if char == "," and depth == 0 else []
        parts[-1] += char
    return [leaf for part in parts if part.strip(", \n") for leaf in leaves(part.lstrip(","), path)]


class Crate:
    def __init__(self, folder):
        self.text, self.uses = {}, {}
        for file in sorted(folder.rglob("*.rs")):
            parts = file.relative_to(folder).with_suffix("").parts
            module = parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts
            text = NOISE.sub('""', file.read_text()).split("#[cfg(test)]\nmod tests {")[0]
            self.uses[module] = [leaf for tree in USE.findall(text) for leaf in leaves(tree)]
            self.text[module] = USE.sub("", text)

    def resolve(self, at, path, seen=()):
        """The module that defines what a path in the module `at` names; none for other crates."""
        module = at
        if path[0] == "crate":
            at, path = (), path[1:]
        elif path[0] not in ("super", "self") and at + path[:1] not in self.text:
            return None
        while path and (path[0] in ("super", "self") or at + path[:1] in self.text):
            at, path = {"super": at[:-1], "self": at}.get(path[0], at + path[:1]), path[1:]
        for further, name in self.uses.get(at, ()) if path else ():
            if name == path[0] and (at, further) not in seen and at != module:
                return self.resolve(at, further + path[1:], (*seen, (at, further)))
        return at

    def imports(self, module):
        paths = [path for path, _ in self.uses[module]]
        paths += [tuple(path.split("::")) for path in PATH.findall(self.text[module])]
        found = {self.resolve(module, path) for path in paths} - {None}
        return {other for other in found if other != module[: len(other)]}


def circle(graph, node, done, path=()):
    """A path through the node that ends where it begins."""
    if node in path:
        return [*path[path.index(node) :], node]
    if node not in done:
        found = (circle(graph, other, done, (*path, node)) for other in sorted(graph[node]))
        if first := next(filter(None, found), None):
            return first
        done.add(node)
    return None


failed = False
for folder in sorted(Path("crates").glob("*/src")):
    crate, done = Crate(folder), set()
    graph = {module: crate.imports(module) for module in crate.text}
    if found := next(filter(None, (circle(graph, node, done) for node in sorted(graph))), None):
        failed = True
        print(f"{folder}: " + " -> ".join("::".join(module) or "(root)" for module in found))
sys.exit(failed)
