"""The exceptions that a user can meet: each says the rule, what was given, and what to do.

Everything that a person can get wrong raises a `CoterieError`; the command line prints its text,
without a traceback, and exits with code 2. What we promise ourselves is an `assert` instead.
"""


class CoterieError(ValueError):
    """A rule was broken by what was given. Parts are joined into one readable message.

    rule: what must hold; given: what came instead; fix: what to do about it.

    >>> raise DataError("The target must be a column.", given="'diesase'", fix="Did you mean 'disease'?")
    Traceback (most recent call last):
    coterie.errors.DataError: The target must be a column. Given: 'diesase'. Did you mean 'disease'?
    """

    def __init__(self, rule: str, *, given: object = None, fix: str | None = None) -> None:
        self.rule, self.given, self.fix = rule, given, fix
        parts = [rule]
        if given is not None:
            said = str(given)
            parts.append(f"Given: {said}" + ("" if said.endswith((".", "?", "!", "…")) else "."))
        if fix:
            parts.append(fix)
        super().__init__(" ".join(parts))


class DataError(CoterieError):
    """A file, a frame or a column that cannot be used as asked."""


class SpecError(CoterieError):
    """A hyperparameter, option or family that does not exist or is out of its bounds."""


class StudyError(CoterieError):
    """A study folder that is missing, foreign, spoilt or in use."""


class ModelError(CoterieError):
    """A model folder that is missing, foreign, tampered with or truncated, or inputs it cannot take."""
