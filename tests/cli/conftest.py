"""The command line is tested against a stand-in for the verbs."""

import sys
import types

import pytest
from stand_ins import FakeStudy

import coterie


@pytest.fixture
def verbs(monkeypatch):
    """A stand-in for `coterie.verbs`, whose calls are kept."""
    fake = types.ModuleType("coterie.verbs")
    fake.study, fake.calls = FakeStudy(), []

    def prepare(data, target, *, test, out, options):
        fake.calls.append({"data": data, "target": target, "test": test, "out": out, "options": options})
        return fake.study

    def repeat(config, *, out):
        fake.calls.append({"config": config, "out": out})
        return fake.study

    fake.prepare, fake.repeat, fake.open_study = prepare, repeat, lambda folder: fake.study
    monkeypatch.setitem(sys.modules, "coterie.verbs", fake)
    monkeypatch.setattr(coterie, "verbs", fake, raising=False)
    return fake
