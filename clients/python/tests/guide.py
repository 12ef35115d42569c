"""Runs the snippets of a guide in order and compares their output.

Takes the guide, and the replacements for the addresses of service and broker and for the routing
key. Shell snippets pass on exported variables, Python snippets share their names. A text block
right after a snippet is its expected output. Blocks in other languages are not run.
"""

import contextlib
import io
import os
import re
import subprocess
import sys

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_shell(snippet):
    reader, writer = os.pipe()
    shell = ["bash", "-euo", "pipefail", "-c", f"{snippet}\nenv -0 >&{writer}"]
    done = subprocess.run(shell, pass_fds=[writer], stdout=subprocess.PIPE, text=True)
    os.close(writer)
    with os.fdopen(reader) as variables:
        os.environ.update(line.split("=", 1) for line in variables.read().split("\0") if line)
    if done.returncode != 0:
        sys.exit(f"this snippet ended with {done.returncode} and printed {done.stdout!r}:\n{snippet}")
    return done.stdout


def run_python(snippet, names):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(snippet, "guide", "exec"), names)
    return printed.getvalue()


def without_carriage_returns(text):
    return text.replace("\r", "").strip("\n")


def main(guide, address, broker, routing_key):
    with open(guide, encoding="utf-8") as file:
        text = file.read().replace("http://127.0.0.1:5000", address)
    text = text.replace('"amqp://guest:guest@127.0.0.1/"', f'"{broker}", routing_key="{routing_key}"')
    names, printed, count = {"__name__": "guide"}, None, 0
    for kind, block in BLOCK.findall(text):
        if kind == "text":
            if without_carriage_returns(printed) != without_carriage_returns(block):
                sys.exit(f"printed:\n{printed}\nexpected:\n{block}")
            printed = None
            continue
        if kind in ("sh", "python"):
            printed = run_shell(block) if kind == "sh" else run_python(block, names)
            count += 1
    print(f"ran {count} snippets")


main(*sys.argv[1:])
