"""The guides work as they stand."""

import pathlib
import subprocess
import sys

import pytest
from conftest import BINARY, BROKER, TIMEOUT, Service

ROOT = pathlib.Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("guide", "snippets", "queue"),
    [("docs/reading-measures.md", 20, "reading-guide"), ("clients/python/README.md", 7, "client-guide")],
)
def test_a_guide_works_as_it_stands(tmp_path, guide, snippets, queue):
    # Only the example data, and a separate queue.
    queues = {"RABBIT_QUEUE": queue, "RABBIT_ROUTING": queue}
    service = Service(tmp_path, ["serve", "--evaluation"], RABBIT_URL=BROKER, **queues)
    try:
        # The binary is where the guide says.
        program = tmp_path / "target/evaluation/mymonit"
        program.parent.mkdir(parents=True)
        program.symlink_to(BINARY)
        arguments = [str(ROOT / guide), service.url, BROKER, queue]
        run = subprocess.run(
            [sys.executable, str(pathlib.Path(__file__).with_name("guide.py")), *arguments],
            cwd=tmp_path,
            env={**service.environment, "no_proxy": "127.0.0.1", "MPLCONFIGDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=4 * TIMEOUT,
        )
    finally:
        service.stop()
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout == f"ran {snippets} snippets\n", run.stderr
    if "plt" in (ROOT / guide).read_text(encoding="utf-8"):
        plot = (tmp_path / "measures-1.png").read_bytes()
        assert plot.startswith(b"\x89PNG\r\n\x1a\n") and len(plot) > 10_000
