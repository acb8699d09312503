"""Bars of the simplest families, whose right answers are known exactly, and of published sizes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from learning import Bar, learned

EVERYTHING = {"test_size": 0, "folds": 0}  # four rows, all of them to learn from


def neurons(seeds: int, work: Path) -> Iterator[Bar]:
    """Functions of two bits; a temperature in two units."""
    import numpy as np

    from coterie.data.bundled import read_bundled

    bits = {name: read_bundled(name).frame for name in ("and", "or", "xor")}
    for name in ("and", "or", "xor"):
        epochs = 10 if name != "xor" else 1000
        model = learned(name, "perceptron", 1, {"epochs": epochs}, **EVERYTHING).model
        wrong = int((model.predict(bits[name]) != bits[name]["y"].to_numpy()).sum())
        sign = "≤" if name != "xor" else "≥"
        yield f"perceptron on {name}: mistakes after {epochs} epochs", wrong, sign, int(name == "xor")
    given = {"hidden": (2,), "weights": (1, 1, 1, 1, 1, -1), "thresholds": (1, 2, 1), "epochs": 1}
    hand = learned("xor", "threshold", 1, given, **EVERYTHING).model
    wrong = int((hand.predict(bits["xor"]) != bits["xor"]["y"].to_numpy()).sum())
    yield "threshold network set by hand on xor: mistakes", wrong, "≤", 0
    made = learned("xor", "mlp", seeds, **EVERYTHING)
    wrong = sum(int((m.predict(bits["xor"]) != bits["xor"]["y"].to_numpy()).sum()) for m in made.models)
    yield f"mlp on xor: mistakes of {seeds} seeds together", wrong, "≤", 0
    found = learned("celsius", "adaline", seeds, **EVERYTHING).model.coefficients()
    for term, truth in (("celsius", 1.8), ("bias", 32.0)):
        values = found.filter(found["term"] == term)["value"].to_numpy()
        yield f"celsius: largest error of the {term} term", float(np.abs(values - truth).max()), "≤", 1e-3


def bishop(seeds: int, work: Path) -> Iterator[Bar]:
    """Bishop's ten points: polynomials against exact rational arithmetic, training RMSE as published."""
    import numpy as np

    from coterie.data.bundled import read_bundled

    frame = read_bundled("sine").frame
    truth = frame["t"].to_numpy()
    for degree, published in ((0, 0.614), (1, 0.462), (3, 0.187), (9, 0.0)):
        model = learned("sine", "polynomial", 1, {"degree": degree}, **EVERYTHING).model
        rmse = float(np.sqrt(np.mean((model.predict(frame).squeeze() - truth) ** 2)))
        what = f"Bishop's points, degree {degree}: |training RMSE {rmse:.4f} − {published}|"
        yield what, abs(rmse - published), "≤", 5e-4
        if degree == 9:
            exact = interpolant([Fraction(i, 9) for i in range(10)], [Fraction(str(t)) for t in truth])
            rows = dict(model.coefficients().select("term", "value").iter_rows())
            found = [rows["bias"], rows["x"], *(rows[f"x^{j}"] for j in range(2, 10))]
            errors = [abs(a / float(b) - 1) for a, b in zip(found, exact, strict=True)]
            yield "Bishop's points, degree 9: largest relative error of a coefficient", max(errors), "≤", 1e-6


def interpolant(x: list[Fraction], t: list[Fraction]) -> list[Fraction]:
    """The coefficients of 1, x, x², … of the polynomial through all points (Newton's divided differences)."""
    divided = list(t)
    for order in range(1, len(x)):
        for i in range(len(x) - 1, order - 1, -1):
            divided[i] = (divided[i] - divided[i - 1]) / (x[i] - x[i - order])
    found = [Fraction(0)] * len(x)
    for i in range(len(x) - 1, -1, -1):  # Horner: found · (x − x_i) + divided_i
        found = [(found[j - 1] if j else Fraction(0)) - x[i] * found[j] for j in range(len(x))]
        found[0] += divided[i]
    return found


def sizes(seeds: int, work: Path) -> Iterator[Bar]:
    """Parameters at published sizes, on the meta device: what differs from the published number."""
    import torch

    from coterie.models.catalogue import family_named
    from coterie.models.shape import Shape

    picture = Shape(image=(3, 224, 224))
    base: dict[str, Any] = {"width": 768, "depth": 12, "heads": 12, "hidden": 3072}
    bert, text = base | {"longest": 512, "norm_first": False}, Shape(tokens=(512, 30_522))
    gpt = base | {"context": 1024}
    for label, name, fix, shape, outputs, extra, published in (
        ("LeNet-5", "lenet", {}, Shape(image=(1, 32, 32)), 10, 0, 61_706),
        ("AlexNet", "alexnet", {}, picture, 1000, 0, 61_100_840),
        ("VGG-16", "vgg", {"depth": "16", "batch_norm": False}, picture, 1000, 0, 138_357_544),
        ("GoogLeNet", "googlenet", {}, picture, 1000, 0, 6_624_904),
        ("ResNet-18", "resnet", {"depth": "18"}, picture, 1000, 0, 11_689_512),
        ("ResNet-50", "resnet", {"depth": "50"}, picture, 1000, 0, 25_557_032),
        ("ResNet-152", "resnet", {"depth": "152"}, picture, 1000, 0, 60_192_808),
        # of BERT the output layer of a classifier is not counted
        ("BERT-base", "bert", bert, text, 3, 768 * 3 + 3, 109_482_240),
        ("GPT-2 small", "gpt", gpt, Shape(answer=(1024, 50_257)), 50_257, 0, 124_439_808),
    ):
        task = "text" if name == "gpt" else "multiclass"
        with torch.device("meta"):
            network = family_named(name)(**fix).network(shape, task, outputs)
        count = sum(p.numel() for p in network.parameters()) - extra
        what = f"{label}: {count:,} parameters, off the published {published:,} by"
        yield what, abs(count - published), "≤", 0
