"""`coterie models`: the zoo in groups, and one family drawn and counted for a given input."""

from __future__ import annotations

import json
import re

import pytest
from stand_ins import run

from coterie.cli.structure import GROUPS, in_groups, structure_of
from coterie.cli.tables import EXAMPLES
from coterie.data.bundled import BUILT_IN, SETS
from coterie.errors import SpecError
from coterie.models.catalogue import FAMILIES
from coterie.spec import hypers
from coterie.training.recipe import Recipe


@pytest.fixture(autouse=True)
def eighty(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def test_the_zoo_is_a_line_a_family_in_groups(capsys):
    status, out, _ = run("models", capsys)
    assert status == 0
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    for name, family in FAMILIES.items():
        (own,) = (line for line in lines if line.startswith(f"{name} "))
        assert family.title in own
        assert own.endswith(" " + " ".join(family.reads))
    assert [line for line in lines if line in GROUPS.values()] == list(GROUPS.values())
    names = [family["name"] for families in in_groups().values() for family in families]
    assert sorted(names) == sorted(FAMILIES)
    assert names.index("threshold") < names.index("mlp") < names.index("cnn") < names.index("gpt")


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_drawn_and_declared(name, capsys):
    small = "--words 5,12" if FAMILIES[name].tasks == ("text",) else ""
    small += {"sequence": " --steps 6,2", "image": " --image 1,20,20"}.get(FAMILIES[name].reads[0], "")
    status, out, err = run(f"models {name} {small}", capsys)
    assert (status, err) == (0, "")
    assert max(len(line) for line in out.splitlines()) <= 80
    flat = " ".join(out.split())
    assert FAMILIES[name].title in flat
    assert f"Source: {FAMILIES[name].source}" in flat
    assert ">>>" not in out
    assert re.search(r"^[\d,]+ parameters; about [\d.,]+ \w*", out, re.MULTILINE)
    for hyper in [*hypers(FAMILIES[name]), *hypers(Recipe)]:
        assert f" {hyper}=" in out


def test_resnet_50_as_published(capsys):
    line = "models resnet --fix depth=50 --image 3,224,224 --classes 1000"
    out = run(line, capsys)[1]
    assert "25,557,032 parameters; about 4.09 billion multiply–adds" in out
    assert "Its structure from an image of 3 × 224 × 224 to 1,000 classes, with depth=50" in out
    assert "  ├─ Bottleneck × 2                               256 × 56 × 56       2 × 70,400\n" in out
    assert "  │  └─ Conv2d 1 × 1 → BatchNorm2d                256 × 56 × 56           16,896\n" in out
    assert "  └─ Global                                       2,048\n" in out
    (facts,) = json.loads(run(f"{line} --json", capsys)[1])["models"]
    structure = facts["structure"]
    assert structure["parameters"] == 25_557_032
    assert structure["input"] == {"image": [3, 224, 224]}
    assert structure["answer"] == {"classes": 1000}
    assert structure["fixed"] == {"depth": "50"}
    assert structure["lines"][0]["parameters"] == 23_508_032
    assert facts["hyperparameters"]


def test_a_tree_has_a_stroke_for_every_block_that_goes_on(capsys):
    out = run("models mlp --fix hidden=16,8 --columns 4 --classes 2 --fix dropout=0 --fix lr=0.1", capsys)[1]
    start = out.index("Its structure")
    assert out[start : out.index("\n\n", start)].splitlines() == [
        "Its structure from 4 columns to 2 classes, with hidden=16,8, dropout=0, lr=0.1",
        "  Columns                   4",
        "  hidden                    8   216",
        "  ├─ Block                  16   80",
        "  │  ├─ Linear              16   80",
        "  │  └─ activation: ReLU    16",
        "  └─ Block, as above        8   136",
        "  head: Linear              1     9",
        "225 parameters; about 200 multiply–adds for the answer to one row.",
    ]


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("alexnet", {"image": [3, 224, 224]}),
        ("cnn", {"image": [1, 28, 28]}),
        ("cnn --columns 3", {"columns": 3, "image": [1, 28, 28]}),
        ("mlp --image 1,4,4", {"image": [1, 4, 4]}),
        ("mlp --image 1,4,4 --columns 3 --steps 5,2", {"image": [1, 4, 4], "steps": [5, 2], "columns": 3}),
        ("gru --words 9,20", {"words": [9, 20]}),
        ("gru --columns 5", {"columns": 5}),
        ("gru --columns 5 --image 1,6,6", {"columns": 5, "image": [1, 6, 6]}),
        ("seq2seq --image 1,6,6 --words 4,20", {"image": [1, 6, 6], "words": [4, 20]}),
        ("transformer --columns 6 --words 4,20", {"columns": 6, "words": [4, 20]}),
        ("bag", {"words": [64, 1000]}),
        ("gpt --words 4,20", {"words": [4, 20]}),
    ],
)
def test_inputs_are_as_given_or_typical(line, shape, capsys):
    status, out, err = run(f"models {line} --json", capsys)
    assert (status, err) == (0, "")
    found = json.loads(out)["models"][0]["structure"]["input"]
    kinds = {"columns": "table", "image": "image", "steps": "sequence", "words": "text"}
    wanted = {kinds[name]: size if isinstance(size, list) else [size] for name, size in shape.items()}
    assert found == wanted


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if "image" in family.reads])
def test_one_pixel_is_enough(name):
    given = {"image": "1,1,1"}
    if FAMILIES[name].tasks == ("text",):
        given["words"] = "2,5"
    assert structure_of(name, given)["parameters"] >= 8


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("--image 1,8,8", ("One family is drawn", "--image", "models mlp")),
        ("mpl", ("Did you mean 'mlp'?",)),
        ("mlp --image 8,8", ("--image is C,H,W", "'8,8'", "--image 3,224,224")),
        ("mlp --image 1,8,x", ("--image is C,H,W",)),
        ("mlp --steps 0,3", ("--steps is T,F", "'0,3'")),
        ("mlp --image 1,99999999,99999999", ("1,000,000,000 in all",)),
        ("lstm --words 10", ("--words is T,V",)),
        ("mlp --columns 99999999", ("--columns is at most",)),
        ("mlp --columns 0", ("whole number from 1",)),
        ("mlp --classes 1", ("whole number from 2",)),
        ("mlp --classes 99999999", ("--classes is at most",)),
        ("cnn --words 10,10", ("cnn reads images", "--words", "Use --image")),
        ("gpt --image 1,8,8", ("gpt reads texts", "Use --words")),
        ("gpt --columns 8", ("gpt reads texts",)),
        ("lstm --words 9,9 --steps 9,9", ("one of these", "--steps and --words")),
        ("gpt --classes 5", ("gpt writes texts", "--classes")),
        ("gpt --words 1,5", ("2 tokens or more",)),
        ("gpt --words 2000,50", ("context=1024",)),
        ("bert --words 2000,50", ("2,000 steps and longest=1024", "--fix longest=2000")),
        ("transformer --fix longest=9", ("64 steps and longest=9",)),
        ("mlp --fix hiden=3", ("one of the recipe or of mlp", "hiden", "Did you mean hidden?")),
        ("mlp --fix hidden=x", ("hidden must be integers",)),
        ("mlp --fix lr=x", ("lr must be a number",)),
        ("mlp --fix hidden", ("NAME=VALUE",)),
        ("mlp --fix hidden=3 --fix hidden=4", ("--fix gives a name one value",)),
        ("bert --fix heads=3", ("multiple of the heads",)),
        ("mlp --target y", ("--target",)),
    ],
)
def test_what_does_not_fit_is_refused(line, parts, capsys):
    status, out, err = run(f"models {line}", capsys)
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    for part in parts:
        assert part in err


def test_refusals_are_spec_errors():
    with pytest.raises(SpecError, match="reads one of these"):
        structure_of("cnn1d", {"steps": "5,5", "image": "1,5,5"})


def test_examples_name_what_there_is():
    assert {*EXAMPLES.values()} - {*SETS, *BUILT_IN} == {"texts.csv --target topic"}
