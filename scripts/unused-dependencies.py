#!/usr/bin/env python3
"""Fails if a crate names a dependency that its code does not mention."""
import re
import sys
import tomllib
from pathlib import Path

failed = False
for manifest in sorted(Path("crates").glob("*/Cargo.toml")):
    folder, named = manifest.parent, tomllib.loads(manifest.read_text())
    files = {part: "".join(file.read_text() for file in (folder / part).rglob("*.rs")) for part in ("src", "tests")}
    for section, text in (("dependencies", files["src"]), ("dev-dependencies", files["src"] + files["tests"])):
        for name in named.get(section, {}):
            if not re.search(rf"\b{name.replace('-', '_')}\b", text):
                failed = True
                print(f"{manifest}: {name} in [{section}] is not used")
sys.exit(failed)
