"""What a sampler may choose: the families, and of each the hyperparameters that a search varies.

A choice is a flat dict of plain values, {"family": "mlp", "mlp.hidden": "64,64", "mlp.lr": 0.002}: families
are a choice like any other, and what belongs to one is only there where that one was chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from coterie.models.catalogue import family_named
from coterie.models.family import Family
from coterie.models.shape import Shape
from coterie.spec import Search, show
from coterie.study.search import known_of, make, searched, settings_of, usual, value_of
from coterie.training.recipe import Recipe

FAMILY = "family"
Choice = dict[str, str | float]


@dataclass(frozen=True)
class Space:
    """settings: of each family, what its candidates have where nothing is chosen; taken: what is fixed."""

    task: str
    families: tuple[type[Family], ...]
    settings: tuple[Mapping[str, Any], ...]
    taken: frozenset[str]

    @classmethod
    def of(cls, models: Sequence[str], shape: Shape, task: str, rows: int, fix: Mapping[str, Any]) -> Space:
        """As `propose` has it. rows: training rows of a fold."""
        families = tuple(family_named(name) for name in (models or usual(shape, task)))
        settings = tuple(settings_of(family, task, rows, fix) for family in families)
        return cls(task, families, settings, frozenset(fix))

    def searches(self, family: type[Family]) -> dict[str, Search]:
        """Where each name that is varied is drawn from, structure first; options hold the default too."""
        found = {}
        for name in searched(family, self.task, {*self.taken}):
            search = known_of(family)[name].search
            assert search is not None
            usual = value_of(family, name, self._settings(family))
            if search.scale == "options" and usual not in search.options:
                search = replace(search, options=(usual, *search.options))
            found[name] = search
        return found

    def choice(self, family: Family, recipe: Recipe) -> Choice:
        """A candidate as a choice; a number beyond its range, as a default may be, is told as its end."""
        values = {**family.values(), **recipe.values()}
        choice: Choice = {FAMILY: family.name}
        for name, search in self.searches(type(family)).items():
            key, value = f"{family.name}.{name}", values[name]
            choice[key] = show(value) if search.scale == "options" else _within(search, value)
        return choice

    def choose(
        self, option: Callable[[str, list[str]], str], number: Callable[[str, float, float, bool], float]
    ) -> tuple[Family, Recipe]:
        """The candidate that is chosen by answers: `option` of one of some words, `number` of one from low to
        high, on a logarithmic scale or not; what is asked depends on what was answered."""
        family = family_named(option(FAMILY, [family.name for family in self.families]))
        settings = {**self._settings(family)}
        for name, search in self.searches(family).items():
            key = f"{family.name}.{name}"
            if search.scale == "options":
                words = [show(value) for value in search.options]
                settings[name] = search.options[words.index(option(key, words))]
            else:
                value = number(key, search.low, search.high, search.scale == "log")
                settings[name] = _within(search, float(f"{value:.4g}"))  # what is printed is what is used
        return make(family, self.task, settings, {*self.taken})

    def structure(self, choice: Choice) -> Choice:
        """The part of a choice that says which candidates can share a cohort."""
        known = known_of(family_named(str(choice[FAMILY])))
        return {key: v for key, v in choice.items() if key == FAMILY or not known[_name(key)].stacked}

    def to_dict(self) -> dict[str, Any]:
        """As plain data: what two studies must have in common to learn from each other's choices."""
        settings = zip(self.families, self.settings, strict=True)
        return {
            family.name: {
                "searched": {name: str(search) for name, search in self.searches(family).items()},
                "settings": {name: show(value) for name, value in sorted(held.items())},
            }
            for family, held in settings
        }

    def _settings(self, family: type[Family]) -> Mapping[str, Any]:
        return self.settings[self.families.index(family)]


def _name(key: str) -> str:
    return key.partition(".")[2]


def _within(search: Search, value: float) -> float:
    return min(max(float(value), search.low), search.high)
