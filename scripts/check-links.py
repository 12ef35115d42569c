#!/usr/bin/python3
"""Checks that relative links in Markdown files lead to a file and, with a fragment, a heading."""

import re
import subprocess
import sys
from pathlib import Path


def anchors(text):
    """The fragments that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ +(.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), flags=re.M)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


pages = subprocess.run(["git", "ls-files", "*.md"], check=True, capture_output=True, text=True).stdout.split()
broken = []
checked = 0
for page in map(Path, pages):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        checked += 1
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            broken.append(f"{page}: {link}: no such file")
        elif fragment and fragment not in anchors(target.read_text(encoding="utf-8")):
            broken.append(f"{page}: {link}: no such heading")
if broken or not checked:
    sys.exit("\n".join(broken) or "no links found")
print(f"{checked} relative links lead somewhere")
