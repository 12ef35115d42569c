#!/usr/bin/python3
"""Fails if a file of the repository holds something that looks like a credential."""

import re
import subprocess
import sys
from pathlib import Path

PATTERNS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}",
    "Google API key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "AWS access key": r"\bAKIA[0-9A-Z]{16}\b",
    "GitHub token": r"\bgh[pousr]_[0-9A-Za-z]{36}\b",
    "JSON Web Token": r"\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}",
    "API token": r"\bmymonit_[0-9A-Za-z_-]{43}\b",
    "URL with a password": r"\b(?:amqps?|mysql)://[^\s:@/\"'$]+:(?!password@|guest@|\*|\{|<)[^\s:@/\"'$]{12,}@",
}

files = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout.split("\0")
found = []
for name in filter(None, files):
    text = Path(name).read_bytes().decode("utf-8", errors="ignore")
    found += [f"{name}: {kind}" for kind, pattern in PATTERNS.items() if re.search(pattern, text)]
sys.exit("\n".join(found) or None)
