"""Nothing happens at import, and only `app.py` reads a clock."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

IMPORT_ALL = """
import sys, threading
before = set(threading.enumerate())
met = []
WATCHED = ("socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir", "os.remove",
           "os.rename", "os.putenv", "tempfile.mkstemp", "tempfile.mkdtemp")
def hook(event, arguments):
    written = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if written or event in WATCHED:
        met.append((event, arguments))
sys.addaudithook(hook)
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
assert set(threading.enumerate()) == before, threading.enumerate()
assert not met, met
"""

NUMPYS = dict.fromkeys(("OPENBLAS_MAIN_FREE", "GOTOBLAS_MAIN_FREE"), "1")
"""numpy sets these while it is imported and takes them back, unless they are set already."""

CLOCKS = {"now", "today", "utcnow", "time", "time_ns", "localtime", "gmtime"}


def modules() -> Iterator[Path]:
    for package in ("services", "shared"):
        yield from sorted((ROOT / package).rglob("*.py"))


def test_importing_everything_writes_opens_starts_and_says_nothing() -> None:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules()]
    names = [name.removesuffix(".__init__") for name in names]

    done = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT_ALL, *names],
        cwd=ROOT,
        env={**os.environ, **NUMPYS},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_only_app_reads_a_clock() -> None:
    reading = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules()
        if path.name != "app.py"
        for line in clock_reads(ast.parse(path.read_text("utf-8")))
    }

    assert reading == set()


def clock_reads(tree: ast.Module) -> Iterator[int]:
    """Lines that name `time.time`, `datetime.now` and their like; `monotonic` is no clock."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr in CLOCKS
            and isinstance(node.value, ast.Name)
            and node.value.id in {"time", "datetime", "date"}
        ):
            yield node.lineno
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (node.lineno for each in node.names if each.name in CLOCKS)
