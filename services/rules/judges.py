"""A rulebook in force: its rules compiled, by what they look at and when."""

from collections.abc import Iterable
from fractions import Fraction
from functools import cached_property

from services.rules.engine import Engine
from shared.rulebook import Rule, Rulebook


class Judges:
    """The engines of one rulebook, as it holds for one school."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self.rules = {rule.id: rule for rule in rulebook.active}
        self.order = {rule.id: place for place, rule in enumerate(rulebook.active)}
        self.ordinary = frozenset(rule.id for rule in rulebook.active if rule.ordinary)
        self.reminders = frozenset(rule.id for rule in rulebook.active if rule.reminds)

    @cached_property
    def plain(self) -> Engine:
        """Rules on a pupil's registrations."""
        return self._engine(rule for rule in self.rulebook.active if _is_plain(rule))

    @cached_property
    def lowered(self) -> Engine:
        """The same for a pupil whom the handover calls for."""
        return self._engine(
            (rule for rule in self.rulebook.active if _is_plain(rule)), self._factor
        )

    @cached_property
    def early(self) -> Engine:
        """Those that are also judged when a registration comes."""
        return self._engine(rule for rule in self.rulebook.active if rule.evaluate == "on_event")

    @cached_property
    def early_lowered(self) -> Engine:
        return self._engine(
            (rule for rule in self.rulebook.active if rule.evaluate == "on_event"), self._factor
        )

    @cached_property
    def case(self) -> Engine:
        """Rules on what is open, told and answered; judged after the others."""
        return self._engine(rule for rule in self.rulebook.active if rule.on_case)

    @cached_property
    def units(self) -> Engine:
        """Rules on classes, groups and the school."""
        return self._engine(rule for rule in self.rulebook.active if rule.units)

    @property
    def _factor(self) -> Fraction:
        handover = self.rulebook.handover
        return Fraction(handover.factor) if handover else Fraction(1)

    def _engine(self, rules: Iterable[Rule], factor: Fraction = Fraction(1)) -> Engine:
        return Engine(self.rulebook, rules, factor)


def _is_plain(rule: Rule) -> bool:
    return not rule.units and not rule.on_case
