"""The candidates of a study, batch by batch: asked for once, kept in the folder, and from then on read there.

Most searches have one batch, which is known before anything is trained. A sampler's are asked for in four:
the first is what any search would begin with, and each later one is chosen by what the earlier came to.
`candidates.json` is written before a batch is trained, so that a study that goes on trains what was asked
for, whatever Optuna, or the other studies of a shared search, would say by then.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from coterie.errors import CoterieError
from coterie.metrics.catalogue import Metric
from coterie.models.catalogue import family_named
from coterie.models.family import Family
from coterie.models.skeleton import skeleton
from coterie.randomness import fold
from coterie.spec import hypers, read
from coterie.study.folder import CANDIDATES, Folder, spoilt
from coterie.study.initial import Posed
from coterie.study.planning import candidates_of, number_asked, space_of
from coterie.study.question import SAMPLERS, Question
from coterie.study.sampling import Told, ask
from coterie.study.search import batch_sizes
from coterie.study.selection import Scored
from coterie.study.sharing import Shared, common_name
from coterie.training.plan import Candidate
from coterie.training.recipe import Recipe

Pair = tuple[Family, Recipe]


class Batches:
    """sizes: of the batches, as they are meant to be; sampled: whether a sampler is asked for them; others:
    how many trials of other studies were known when the latest was asked for."""

    def __init__(
        self,
        folder: Folder,
        asked: Mapping[str, Any],
        question: Question,
        everything: Posed,
        metric: Metric,
    ) -> None:
        """asked: the study's study.json."""
        self._folder, self._question, self._posed, self._metric = folder, question, everything, metric
        self.sizes: tuple[int, ...] = (len(everything.candidates),)
        self.others = 0
        self._shared: Shared | None = None
        self.sampled = question.search in SAMPLERS
        if not self.sampled:
            return
        self._space = space_of(question, everything.problem, everything.held)
        self.sizes = batch_sizes(number_asked(question, everything.problem), len(self._space.families))
        kept = kept_batches(folder)
        self._mine: str = kept["study"]  # tells this study from others of a shared search
        self._kept: list[dict[str, Any]] = kept["batches"]
        if question.storage is not None:
            if not self._mine:
                self._mine = uuid.uuid4().hex
                write_batches(folder, self._kept, self._mine)
            name = common_name(asked, self._space)
            self._shared = Shared(question.storage, question.search, name, self._mine, metric.maximise)

    def batch(self, number: int, ranked: Sequence[Scored]) -> tuple[Candidate, ...]:
        """The candidates of a batch; () when there is nothing new to try. ranked: what earlier came to."""
        if not self.sampled:
            return self._posed.candidates
        if number == len(self._kept):
            self._kept.append(self._ask(number, ranked))
            write_batches(self._folder, self._kept, self._mine)
        self.others = self._kept[number]["others"]
        found = _candidates(self._folder, self._kept)[number]
        if self._shared:
            choices = {c.index: self._space.choice(c.family, c.recipe) for c in found}
            self._shared.announce(self._space, number, choices, str(self._folder.path.absolute()))
        return found

    def tell(self, ranked: Sequence[Scored]) -> None:
        """Tells the other studies of a shared search what this one's candidates came to."""
        if self._shared:
            self._shared.tell({one.candidate.index: one.mean for one in ranked})

    def facts(self, sizes: Sequence[int]) -> dict[str, Any]:
        """What the report says of the sampler, if one was asked. sizes: of the batches that were trained."""
        if not self.sampled:
            return {}
        shared = {"others": self.others} if self._shared else {}
        return {"sampler": {"name": self._question.search, "batches": list(sizes), **shared}}

    def _ask(self, number: int, ranked: Sequence[Scored]) -> dict[str, Any]:
        others = self._shared.others() if self._shared else []
        seed = fold(fold(self._question.seed, number), int(self._mine[:8] or "0", 16)) & 0xFFFFFFFF
        if number == 0 and all(one.score is None for one in others):
            return _kept(self._first(seed, bool(others)), len(others))
        tried = [c for batch in _candidates(self._folder, self._kept) for c in batch]
        means = {one.candidate.index: one.mean for one in ranked}
        told = [Told(self._space.choice(c.family, c.recipe), means.get(c.index, math.nan)) for c in tried]
        found = ask(
            self._space,
            [*told, *others],
            self.sizes[number],
            search=self._question.search,
            maximise=self._metric.maximise,
            seed=seed,
            tried=[(c.family, c.recipe) for c in tried],
            build=lambda family: skeleton(family, self._posed.problem.schema),
        )
        return _kept([Candidate(0, *pair) for pair in found], len(others))

    def _first(self, seed: int, begun: bool) -> Sequence[Candidate]:
        """What is tried while nothing is known. Studies of a shared search draw differently from each other;
        begun: the defaults are being tried by another."""
        if not self._shared:
            return self._posed.candidates
        defaults = len(self._space.families) if begun else 0
        question, count = replace(self._question, seed=seed), self.sizes[0] + defaults
        return candidates_of(question, self._posed.problem, self._posed.held, count)[defaults:]


def write_batches(folder: Folder, batches: Sequence[Mapping[str, Any]], study: str = "") -> None:
    """study: what tells it from others of a shared search."""
    folder.write_json(CANDIDATES, {"study": study, "batches": list(batches)})


def kept_batches(folder: Folder) -> dict[str, Any]:
    """What `candidates.json` holds: whose it is, if others know of it, and the batches so far."""
    if not (folder / CANDIDATES).is_file():
        return {"study": "", "batches": []}
    kept = folder.read_json(CANDIDATES)
    if not isinstance(kept.get("study"), str) or not isinstance(kept.get("batches"), list):
        raise spoilt(folder / CANDIDATES, "no batches")
    return kept


def candidates_kept(folder: Folder) -> tuple[Candidate, ...]:
    """All that was asked for so far, in a study whose search asks a sampler."""
    return tuple(c for batch in _candidates(folder, kept_batches(folder)["batches"]) for c in batch)


def _kept(candidates: Sequence[Candidate], others: int) -> dict[str, Any]:
    """A batch as plain data."""
    return {
        "others": others,
        "candidates": [
            {"family": c.family.name, "hyperparameters": c.family.values(), "recipe": c.recipe.values()}
            for c in candidates
        ],
    }


def _candidates(folder: Folder, kept: Sequence[Mapping[str, Any]]) -> list[tuple[Candidate, ...]]:
    """The candidates of kept batches, numbered through."""
    try:
        pairs = [[_pair(facts) for facts in batch["candidates"]] for batch in kept]
    except (KeyError, TypeError, CoterieError) as error:
        raise spoilt(folder / CANDIDATES, f"no candidate: {error}") from error
    starts = [sum(map(len, pairs[:number])) for number in range(len(pairs))]
    return [
        tuple(Candidate(first + place, *pair) for place, pair in enumerate(batch))
        for first, batch in zip(starts, pairs, strict=True)
    ]


def _pair(facts: Mapping[str, Any]) -> Pair:
    family = family_named(facts["family"])
    own, how = facts["hyperparameters"], facts["recipe"]
    return (
        family(**{name: read(family, name, own[name]) for name in hypers(family)}),
        Recipe(**{name: read(Recipe, name, how[name]) for name in hypers(Recipe)}),
    )
