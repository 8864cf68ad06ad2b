"""Mutants of the indicators: which changes of the code break no test.

One small change at a time is made to a module's syntax tree, and the tests are run on it until
the first fails. Nothing is written: a child process gets the changed module in the place of the
file. See docs/decisions/0010-mutants-of-the-indicators.md, and
`python -m tests.bench.mutants --help`.
"""

import argparse
import ast
import importlib
import importlib.abc
import importlib.machinery
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import pytest

_FIGURES, _LESSONS, _CASES, _UNITS, _REGISTERS = (
    f"tests/rules/test_{name}.py"
    for name in ("figures", "deciding", "case_figures", "units", "registers")
)
TESTS = {
    "indicators": (_FIGURES,),
    "strips": (_FIGURES, _LESSONS),
    "daybook": (_FIGURES,),
    "deciding": (_LESSONS, _CASES),
    "case_figures": (_CASES,),
    "units": (_UNITS,),
    "registers": (_REGISTERS,),
}
"""What is run on mutants of a module, in this order."""

_PRELOADED = (
    *("numpy", "pydantic", "msgspec", "zstandard", "durable.engine", "hypothesis", "redis"),
    *("shared.events", "shared.rulebook", "shared.calendar", "shared.embedded"),
    *("tests.oracle.judge", "tests.streams"),
)
"""What no mutant is part of is imported once, before the first."""


class Mutant(NamedTuple):
    """One change of one module."""

    name: str
    """Function, before and after; it stays the same when the lines above it change."""
    place: str
    """Line and column."""
    module: str
    code: CodeType


# -- changes

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq, ast.LtE, ast.GtE),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.FloorDiv: (ast.Mult,),
    ast.Div: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
}
_NAMES = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "maximum": "minimum",
    "minimum": "maximum",
    "argmax": "argmin",
}


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of a node."""
    yield from _other_operators(node)
    yield from _other_values(node)


def _other_operators(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=operators):
            for place, operator in enumerate(operators):
                for other in _COMPARISONS[type(operator)]:
                    yield _with(node, ops=[*operators[:place], other(), *operators[place + 1 :]])
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator):
            for each in _OPERATORS.get(type(operator), ()):
                yield _with(node, op=each())
        case ast.BoolOp(op=ast.And()):
            yield _with(node, op=ast.Or())
        case ast.BoolOp():
            yield _with(node, op=ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub(), operand=operand):
            yield operand


def _other_values(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Slice(lower=lower, upper=upper):
            yield from () if lower is None else (_with(node, lower=None),)
            yield from () if upper is None else (_with(node, upper=None),)
        case ast.Name(id=name) if name in _NAMES:
            yield _with(node, id=_NAMES[name])
        case ast.Attribute(attr=name) if name in _NAMES:
            yield _with(node, attr=_NAMES[name])
        case ast.IfExp(test=test) | ast.If(test=test) if isinstance(test, _TRUTHS):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Break():
            yield ast.Continue()


def _with(node: ast.AST, **changes: Any) -> ast.AST:
    changed = copy(node)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


_TRUTHS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)


def mutants_of(module: str, path: Path) -> Iterator[Mutant]:
    """Every mutant of a module, one after the other."""
    tree = ast.parse(path.read_text())
    alike = Counter[str]()
    for within, node, put in list(_places(tree, module)):
        for variant in _variants(node):
            put(ast.fix_missing_locations(ast.copy_location(variant, node)))
            code = compile(tree, path, "exec")
            put(node)
            name = f"{within}: {_short(node)}  ->  {_short(variant)}"
            alike[name] += 1
            if alike[name] > 1:
                name += f" ({alike[name]})"
            yield Mutant(name, f"{node.lineno}:{node.col_offset}", module, code)


_Place = tuple[str, ast.expr | ast.stmt, Callable[[ast.AST], None]]


def _places(parent: ast.AST, within: str) -> Iterator[_Place]:
    """Every expression and statement, by what it is within, and how to put another there."""
    if isinstance(parent, ast.keyword) and parent.arg in _OF_NO_FIGURE:
        return
    if isinstance(parent, ast.FunctionDef | ast.ClassDef):
        within += f".{parent.name}"
    for name, value in ast.iter_fields(parent):
        if name in ("annotation", "returns"):
            continue
        if isinstance(value, list):
            for number, node in enumerate(value):
                yield from _place(node, within, partial(value.__setitem__, number))
        else:
            yield from _place(value, within, partial(setattr, parent, name))


def _place(node: object, within: str, put: Callable[[ast.AST], None]) -> Iterator[_Place]:
    if isinstance(node, ast.expr | ast.stmt):
        yield within, node, put
    if isinstance(node, ast.AST):
        yield from _places(node, within)


_OF_NO_FIGURE = ("strict", "frozen", "array_like", "maxsize", "level")
"""Arguments that only check, or say how values are held, and how many."""


def _short(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0]


# -- runs


_QUIETLY = ("-x", "-q", "--assert=plain", "-p", "no:cacheprovider")
"""Nobody reads what a test that fails would say."""

_MOST_MEMORY = 4 << 30
"""Bytes. A mutant of a table's size may ask for more than there is."""


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives a mutant where its module is imported."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if name != f"services.rules.{self._mutant.module}":
            return None
        return importlib.machinery.ModuleSpec(name, self)

    def exec_module(self, module: ModuleType) -> None:
        exec(self._mutant.code, module.__dict__)  # noqa: S102 - our own code, changed


def survives(mutant: Mutant | None, tests: Sequence[str], seconds: int) -> bool:
    """Do all tests pass? To take longer than that, or too much memory, is to fail."""
    child = os.fork()
    if child == 0:
        signal.alarm(seconds)
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        if mutant is not None:
            sys.meta_path.insert(0, _Instead(mutant))
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        os._exit(pytest.main([*_QUIETLY, *tests]))
    _, status = os.waitpid(child, 0)
    return status == 0


EQUIVALENT = Path(__file__).with_name("mutants_equivalent.txt")
"""Mutants that give the same figures, each with the reason; they are not run."""


def names_in(file: Path) -> set[str]:
    """The mutants that a file names, one a line; what follows a # is said of them."""
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return {line for line in lines if line}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="of services/rules; left out: all seven")
    parser.add_argument("--tests", nargs="+", help="others than each module's own")
    parser.add_argument("--again", type=Path, help="only those that this output names")
    asked = parser.parse_args()
    for name in _PRELOADED:
        importlib.import_module(name)
    pytest.main(["--version"])  # imports its plugins
    again = asked.again and names_in(asked.again)
    equivalent = names_in(EQUIVALENT) if again is None else set()
    for module in asked.modules or TESTS:
        tests = asked.tests or TESTS[module]
        started = time.monotonic()
        if not survives(None, tests, seconds=600):
            sys.exit(f"The tests of {module} fail without any mutant.")
        limit = 10 + 3 * int(time.monotonic() - started)
        mutants = list(mutants_of(module, Path("services/rules") / f"{module}.py"))
        names = {mutant.name for mutant in mutants}
        own = (f"{module}.", f"{module}:")
        for gone in sorted(each for each in equivalent - names if each.startswith(own)):
            print(f"# no more: {gone}")
        wanted = names - equivalent if again is None else names & again
        left = 0
        for mutant in mutants:
            if mutant.name in wanted and survives(mutant, tests, limit):
                left += 1
                print(f"{mutant.name}  # {mutant.place}", flush=True)
        killed, same = len(wanted) - left, len(names & equivalent)
        print(f"# {module}: {killed} of {len(wanted)} killed; {same} are equivalent", flush=True)


if __name__ == "__main__":
    main()
