"""A look inside: filters, maps, attention, texts and forecasts are the model's own, of rows it may show."""

import json

import numpy as np
import pytest
import torch
from untrained import images, model_of, problem_of, series, texts, waves

from coterie.study import closeup as closeups
from coterie.study.closeup import closeup, rows_to_show
from coterie.study.fitted import rows_of
from coterie.study.forecasts import forecasts, horizon
from coterie.study.inside import ask, attention_maps, augmented, first_convolution, looks_of_start


def of_kind(columns, target, family, members=2, about=None, asked=None, **values):
    problem, question = problem_of(columns, target, family, **(asked or {}))
    return problem, question, model_of(problem, family, members, about, **values)


def reversing(family="seq2seq", **values):
    columns = texts()
    del columns["kind"]
    return of_kind(columns, "written", family, 1, asked={"kinds": {"source": "text"}}, **values)


def test_filters_and_maps_are_those_of_the_first_member():
    problem, _, model = of_kind(images(), "kind", "cnn")
    seen = first_convolution(model, problem.dataset, 3)
    weights = model.layout.views(model.flat)
    assert seen.filters.equal(weights[f"{seen.name}.weight"][0])
    image = problem.dataset.inputs["image"][3:4].float()
    centre, scale = (model.buffers[f"network.prepare.image.{n}"][0] for n in ("center", "scale"))
    bias = weights.get(f"{seen.name}.bias")
    expected = torch.nn.functional.conv2d(
        (image - centre) / scale, seen.filters, None if bias is None else bias[0], padding="same"
    )[0]
    torch.testing.assert_close(seen.maps, expected, rtol=1e-4, atol=1e-5)


def test_a_network_without_convolutions_has_no_filters():
    problem, _, model = of_kind(images(), "kind", "mlp")
    assert first_convolution(model, problem.dataset, 0) is None


def test_asking_uses_the_weights_of_the_member():
    problem, _, model = of_kind(images(), "kind", "mlp")
    batch = {n: t[:4].float() if t.is_floating_point() else t[:4] for n, t in problem.dataset.inputs.items()}
    for member in range(2):
        alone = model.subset([member]).output(rows_of(problem.dataset, np.arange(4)))
        assert torch.allclose(ask(model, lambda n: n(batch), member=member).double(), alone, atol=1e-6)


@pytest.mark.parametrize("family", ["seq2seq", "transformer"])
def test_attention_covers_what_was_read(family):
    small = {"hidden": 8, "embedding": 8} if family == "seq2seq" else {"width": 8, "heads": 2}
    problem, _, model = reversing(family, **small)
    frame = problem.table.frame
    found = attention_maps(model, problem.dataset, problem.test[:3])
    assert len(found) == 3
    for item in found:
        row = int(problem.dataset.rows[item["position"]])
        assert item["across"] == ["[start]", *frame["source"][row].split(), "[end]"]
        assert item["down"] == [*frame["written"][row].split(), "[end]"]
        assert item["weights"].shape == (len(item["down"]), len(item["across"]))
        assert np.allclose(item["weights"].sum(1), 1, atol=0.01)


def test_without_attention_there_is_no_map():
    problem, _, model = reversing(attention="none", hidden=8, embedding=8)
    assert attention_maps(model, problem.dataset, problem.test[:3]) == []


def test_where_the_first_token_looks():
    columns = texts()
    del columns["written"]
    problem, _, model = of_kind(
        columns, "kind", "bert", asked={"kinds": {"source": "text"}}, width=8, heads=2, depth=2
    )
    found = looks_of_start(model, problem.dataset, problem.test[:2])
    for item in found:
        row = int(problem.dataset.rows[item["position"]])
        assert item["tokens"] == ["[start]", *columns["source"][row].split(), "[end]"]
        assert item["weights"].sum() == pytest.approx(1, abs=0.01)
    assert len(found) == 2
    problem, _, model = of_kind(columns, "kind", "bag", asked={"kinds": {"source": "text"}})
    assert looks_of_start(model, problem.dataset, problem.test[:2]) == []


def test_augmentation_is_that_of_training_and_the_same_each_time():
    problem, _, model = of_kind(images(), "kind", "cnn", flip=1.0)
    at = problem.development[:4]
    found = augmented(model, problem.dataset, at, 0)
    assert found["image after"].equal(found["image before"].flip(-1))
    problem, _, model = of_kind(waves(), "kind", "lstm", jitter=0.5)
    one, two, other = (augmented(model, problem.dataset, at, seed)["sequence after"] for seed in (0, 0, 1))
    assert one.equal(two) or torch.equal(one.nan_to_num(), two.nan_to_num())
    assert not torch.equal(one.nan_to_num(), other.nan_to_num())
    assert one.isnan().any()  # behind the ends
    problem, _, model = of_kind(images(), "kind", "cnn")
    assert augmented(model, problem.dataset, at, 0) is None


def test_targets_that_are_steps_ahead():
    assert horizon(("x+1", "x+2", "x+3")) == "x"
    assert horizon(("x+1",)) is None
    assert horizon(("x+1", "y+2")) is None
    assert horizon(("x+1", "x+3")) is None
    assert horizon(("x", "x+1")) is None


def test_forecasts_stand_over_the_true_series():
    columns = series()
    names = ("sales+1", "sales+2", "sales+3")
    about = {"intervals": {"half_width": [0.5, 0.6, 0.7]}}
    problem, _, model = of_kind(columns, names, "linear", about=about)
    at = np.arange(20, 40)
    found = forecasts(model, problem.dataset, at)
    assert found["name"] == "sales"
    assert found["half_width"] == [0.5, 0.6, 0.7]
    start = 40 - (len(found["truth"]) - 2)  # the row whose first target begins the series
    assert found["truth"] == pytest.approx((np.arange(start + 1, 43) ** 1.5).tolist())
    for origin in found["origins"]:
        row = start + origin["time"] + 1
        said = model.output(rows_of(problem.dataset, np.array([row])))[0]
        assert origin["values"] == pytest.approx(said.tolist())
        assert origin["time"] + 3 < len(found["truth"])
    gaps = np.diff([o["time"] for o in found["origins"]])
    assert (gaps == 3).all()
    assert len(gaps) == 5


def test_a_gap_in_the_series_ends_the_forecasts_that_are_shown():
    names = ("sales+1", "sales+2", "sales+3")
    problem, _, model = of_kind(series(), names, "linear")
    found = forecasts(model, problem.dataset, np.array([1, 2, 3, 4, 5, 30, 31]))
    assert found["truth"] == pytest.approx((np.arange(32, 35) ** 1.5).tolist())
    assert len(found["origins"]) == 1


def test_texts_are_written_and_counted():
    problem, question, model = reversing(hidden=8, embedding=8)
    found, arrays = closeup(problem, model, question)
    assert arrays == {}
    said = model.write(rows_of(problem.dataset, problem.test))
    writing = found["writings"]
    assert writing["rows"] == len(problem.test)
    for line, text in zip(writing["lines"], said, strict=False):
        assert line["said"] == text[:200]
        assert line["truth"] == problem.table.frame["written"][line["row"]]
        assert line["exact"] == (line["said"] == line["truth"])
    assert len(found["attention"]) == closeups.LOOKS
    assert found["part"] == "test"
    json.dumps(found, allow_nan=False)


def test_samples_are_the_same_each_time():
    columns = {"text": texts()["written"]}
    problem, question, model = of_kind(columns, "text", "gpt", 1, width=8, heads=2, depth=1)
    one, two = (closeup(problem, model, question)[0] for _ in range(2))
    assert one["samples"] == two["samples"]
    assert 1 <= len(one["samples"]) <= 8
    assert "writings" not in one


@pytest.mark.parametrize(
    ("columns", "target", "family", "own"),
    [
        (images(), "kind", "cnn", {"filters"}),
        (waves(), "kind", "tcn", set()),
        ({"x": np.arange(24.0), "z": np.arange(24.0) % 5, "y": np.arange(24.0) * 2}, "y", "linear",
         {"coefficients"}),
    ],
)  # fmt: skip
def test_without_rows_only_what_holds_none_is_kept(columns, target, family, own):
    problem, question, model = of_kind(columns, target, family, asked={"rows": False})
    found, arrays = closeup(problem, model, question)
    assert set(found) - {"part"} == own
    assert arrays == {}
    json.dumps(found, allow_nan=False)


def test_augmented_examples_are_handed_on_as_arrays():
    problem, question, model = of_kind(images(), "kind", "cnn", flip=1.0)
    found, arrays = closeup(problem, model, question)
    assert found["augmented"] == {"kind": "image"}
    before, after = arrays["augmented_before"], arrays["augmented_after"]
    assert before.dtype == torch.uint8
    assert before.shape == (closeups.EXAMPLES, 1, 6, 6)
    assert after.equal(before.flip(-1))
    first = problem.dataset.inputs["image"][int(problem.development[0])]
    assert before[0].double() / 255 * 16 == pytest.approx(first.double().numpy(), abs=0.05)
    problem, question, model = of_kind(waves(), "kind", "lstm", jitter=0.5)
    found, arrays = closeup(problem, model, question)
    assert found["augmented"] == {"kind": "sequence"}
    assert arrays["augmented_after"].shape[2] == 1


def test_rows_that_are_shown_are_not_those_trained_on():
    problem, question, model = of_kind(images(40), "kind", "cnn")
    assert rows_to_show(problem, model, question)[1] == "test"
    problem, question, model = of_kind(images(40), "kind", "cnn", asked={"test_size": 0})
    rows, part = rows_to_show(problem, model, question)
    assert part == "validation"
    assert not set(rows) & set(problem.folds[0][0])
