"""A back-test of a school year, measured: canonical CSV in, steps out, as a coordinator runs it.

The figures are medians of three runs of the real command. CPU is that of the ended process.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

PUPILS, DAYS, SEED, RUNS = 400, 178, 1, 3
WANTED = 12.0
"""CPU seconds per million registrations, at most, with all rules of the default rulebook."""


def main() -> int:
    """Print the runs and their median; 1 when it takes more CPU than wanted."""
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder:
        events = Path(folder, "events.csv")
        size = ("--pupils", str(PUPILS), "--days", str(DAYS), "--seed", str(SEED))
        narvara("simulate", *size, "--out", str(events))
        rows = sum(1 for _ in events.open(encoding="utf-8")) - 1
        print(f"\n1 school of {PUPILS} pupils, {DAYS} school days: {rows:,} registrations")
        runs = []
        for number in range(1, RUNS + 1):
            before = cpu_of_children()
            narvara("backtest", str(events), "--roster", folder, "--format", "jsonl")
            runs.append((cpu_of_children() - before) * 1_000_000 / rows)
            print(f"run {number}  {runs[-1]:8.1f} CPU s per million")
    print(f"median {median(runs):8.1f}")
    return 0 if median(runs) <= WANTED else 1


def narvara(*arguments: str) -> None:
    command = (sys.executable, "-m", "services.cli", *arguments)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
