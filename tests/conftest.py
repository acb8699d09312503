"""One torch thread a process: the suite runs in as many processes as there are cores, and shares them.

Compiled programs of the person who runs the tests are left alone: there is nowhere to keep any.
"""

import os
from collections.abc import Iterator
from itertools import islice

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ["COTERIE_CACHE"] = os.devnull

# files whose tests take seconds each: they come first, so that none is left to one core when all else is done
SLOW = ("test_whole_course.py", "test_compiling.py", "test_spread.py", "test_sharded.py", "test_browser.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in SLOW)


@pytest.fixture(scope="module")
def without_pages() -> Iterator[None]:
    """Studies whose pages are left blank: drawing one takes longer than the rest of a small study.

    `Study.report` draws as ever, of the same facts; that it writes the page of the course is tested in
    tests/study/test_whole_course.py, and pages in tests/report.
    """
    from coterie.study import course

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course, "page", lambda *given: "<html></html>")
        yield


@pytest.fixture(scope="module")
def one_baseline() -> Iterator[None]:
    """Studies with the simplest baseline alone; what they are is tested in tests/study/test_baselines.py."""
    from coterie.study import baselines

    usual = baselines.kinds_for
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "kinds_for", lambda *given: islice(usual(*given), 1))
        yield
