"""An error reads as sentences, whatever its parts end with."""

import pytest

from coterie.errors import CoterieError, DataError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("'x'", "The rule. Given: 'x'. Mend it."),
        ("a file (it said so.)", "The rule. Given: a file (it said so.). Mend it."),
        ("a sentence of another.", "The rule. Given: a sentence of another. Mend it."),
        ("is it?", "The rule. Given: is it? Mend it."),
        (3, "The rule. Given: 3. Mend it."),
        (None, "The rule. Mend it."),
    ],
)
def test_one_full_stop_is_enough(given: object, said: str) -> None:
    error = DataError("The rule.", given=given, fix="Mend it.")
    assert str(error) == said
    assert isinstance(error, CoterieError)
    assert (error.rule, error.given, error.fix) == ("The rule.", given, "Mend it.")
