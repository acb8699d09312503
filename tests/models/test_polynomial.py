"""Bishop's curve by exact least squares, and basis functions against a plain loop.

In a cohort degrees differ: what one member's weights are must not depend on its neighbours' degrees.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy.polynomial import Chebyshev, Polynomial
from small_cohorts import CPU, cohort_of, member, run
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.schema import Column, Schema, Target
from coterie.data.synthetic import sine
from coterie.models import polynomial
from coterie.models.polynomial import Functions
from coterie.study.search import advice
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort
from coterie.training.outputs import outputs
from coterie.training.plan import Candidate
from coterie.training.recipe import Recipe

# t as it is printed, x = i/9: the interpolant's coefficients are rational numbers
PRINTED = "0.349486 0.830839 1.007332 0.971507 0.133066 0.166823 -0.848307 -0.445686 -0.563567 0.261502"
EXACT = ("0.35", "232.37", "-5321.83", "48568.31", "-231639.31", "640042.31")
NONE = np.array([], dtype=np.int64)
Family = polynomial.Polynomial


def dataset(x: np.ndarray, y: np.ndarray) -> Dataset:
    x, y = (np.asarray(a, dtype=np.float64).reshape(len(a), -1) for a in (x, y))
    columns = [Column(f"x{i}", "numeric", "feature") for i in range(x.shape[1])]
    columns += [Column("t", "numeric", "target")]
    inputs = {"numeric": torch.from_numpy(x), "category": torch.zeros(len(x), 0, dtype=torch.int64)}
    return Dataset(
        Schema.of(columns, Target(("t",), "regression")), inputs, torch.from_numpy(y), None, np.arange(len(x))
    )


def solved(data: Dataset, *families: Family, folds: int = 1, **more: float) -> Cohort:
    """One cohort of all, every member on all rows, with the recipe that a study would give it."""
    settings = {**advice(len(data)), **Family.advice("regression"), **more}
    members = [member(Candidate(i, family, Recipe(**settings))) for i, family in enumerate(families)]
    assert len({m.candidate.structure() for m in members}) == 1
    arena = Arena.of(data, ((np.arange(len(data)), NONE),) * folds, CPU)
    ran = run(cohort_of(members, arena))
    assert [record.status for record in ran.cohort.records] == ["finished"] * len(families)
    return ran.cohort


def answers(cohort: Cohort) -> np.ndarray:
    """(M, N) what the members say of every row."""
    rows = torch.arange(len(cohort.arena.dataset))
    made = outputs(cohort.steps, cohort.best, cohort.best_buffers, rows, cohort.arena.inputs)
    return made[..., 0].numpy()


def powers(cohort: Cohort, place: int, degree: int) -> np.ndarray:
    """A member's weights of 1, x, …, x^degree of the raw x, the unit of the data."""
    views = cohort.layout.views(cohort.best)
    weights = views["body.head.weight"][place, 0].double().numpy()
    buffer = {n.rpartition("network.")[2]: b[place].numpy() for n, b in cohort.best_buffers.items()}
    assert (weights[degree:] == 0).all()
    chebyshev = Chebyshev([views["body.head.bias"][place, 0].item(), *weights[:degree]])
    inner = (Polynomial([0, 1]) - buffer["prepare.center"][0]) / buffer["prepare.scale"][0]
    inner = (inner - buffer["body.hidden.center"][0]) / buffer["body.hidden.reach"][0]
    made = chebyshev.convert(kind=Polynomial)(inner)
    return (made * buffer["output.scale"][0] + buffer["output.center"][0]).coef


def interpolant() -> list[Fraction]:
    """Coefficients of the polynomial through the ten points, in exact arithmetic (Lagrange)."""
    x, t = [Fraction(i, 9) for i in range(10)], [Fraction(value) for value in PRINTED.split()]
    total = [Fraction(0)] * 10
    for i in range(10):
        term = [t[i]]
        for j in range(10):
            if j != i:  # times (x − x_j) / (x_i − x_j)
                scale = 1 / (x[i] - x[j])
                up, stay = [Fraction(0), *term], [*term, Fraction(0)]
                term = [(a - x[j] * b) * scale for a, b in zip(up, stay, strict=True)]
        total = [a + b for a, b in zip(total, term, strict=True)]
    return total


# ---- Bishop's ten points ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bishop() -> Cohort:
    columns, _, _ = sine()
    return solved(dataset(columns["x"], columns["t"]), *(Family(degree=d) for d in (0, 1, 3, 9)))


def test_the_data_are_the_printed_ones() -> None:
    columns, target, _ = sine()
    assert target == ("t",)
    assert columns["t"].tolist() == [float(value) for value in PRINTED.split()]
    assert columns["x"].tolist() == [i / 9 for i in range(10)]


def test_training_errors_are_those_of_the_book(bishop: Cohort) -> None:
    errors = answers(bishop) - sine()[0]["t"]
    found = np.sqrt((errors**2).mean(1))
    assert np.round(found[:3], 3).tolist() == [0.614, 0.462, 0.187]
    assert found[3] < 1e-9


def test_degree_nine_is_the_exact_interpolant(bishop: Cohort) -> None:
    exact = interpolant()
    assert [f"{float(value):.2f}" for value in exact[:6]] == list(EXACT)
    found = powers(bishop, 3, 9)
    assert len(found) == 10
    worst = max(abs(float((Fraction(f) - e) / e)) for f, e in zip(found, exact, strict=True))
    assert worst < 1e-6


@pytest.mark.parametrize(("place", "degree"), [(0, 0), (1, 1), (2, 3)])
def test_lower_degrees_are_numpys_least_squares(bishop: Cohort, place: int, degree: int) -> None:
    columns, _, _ = sine()
    wanted = Polynomial.fit(columns["x"], columns["t"], degree).convert().coef
    np.testing.assert_allclose(powers(bishop, place, degree), wanted, rtol=1e-9)


def test_a_cohort_of_mixed_degree_equals_each_alone(bishop: Cohort) -> None:
    columns, _, _ = sine()
    for place, degree in enumerate((0, 1, 3, 9)):
        alone = solved(dataset(columns["x"], columns["t"]), Family(degree=degree))
        np.testing.assert_allclose(answers(bishop)[place], answers(alone)[0], rtol=0, atol=1e-9)
        np.testing.assert_allclose(powers(bishop, place, degree), powers(alone, 0, degree), rtol=1e-7)


@pytest.mark.parametrize("basis", ["powers", "gaussian", "sigmoid"])
def test_a_cohort_of_mixed_degree_equals_each_alone_in_every_basis(basis: str) -> None:
    rng = np.random.default_rng(0)
    data = dataset(rng.uniform(-3, 5, (40, 2)), rng.normal(size=40))
    degrees = (0, 1, 4, 7)
    together = answers(solved(data, *(Family(degree=d, basis=basis) for d in degrees), l2=1e-4))
    for place, degree in enumerate(degrees):
        alone = answers(solved(data, Family(degree=degree, basis=basis), l2=1e-4))
        np.testing.assert_allclose(together[place], alone[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("penalty", [1e-8, 1e-3, 1.0])
def test_ridge_is_scikit_learns(penalty: float) -> None:
    """Its α is n·λ (see `solvers.py`), on our functions and standardised targets."""
    from sklearn.linear_model import Ridge

    columns, _, _ = sine()
    x, t = columns["x"], columns["t"]
    z = 2 * x - 1  # the range of the ten points is 0 to 1
    phi = np.stack([np.cos((j + 1) * np.arccos(z)) for j in range(9)], 1)  # T_j(z) = cos(j·arccos z)
    unit = t.std()
    theirs = Ridge(alpha=len(x) * penalty, solver="svd").fit(phi, (t - t.mean()) / unit)
    ours = answers(solved(dataset(x, t), Family(degree=9), l2=penalty))[0]
    np.testing.assert_allclose(ours, theirs.predict(phi) * unit + t.mean(), rtol=1e-7)
    weights = solved(dataset(x, t), Family(degree=9), l2=penalty)
    found = weights.layout.views(weights.best)["body.head.weight"][0, 0, :9].double().numpy()
    np.testing.assert_allclose(found, theirs.coef_, rtol=1e-6, atol=1e-10)


def test_a_penalty_holds_the_weights_of_degree_nine() -> None:
    columns, _, _ = sine()
    data = dataset(columns["x"], columns["t"])
    sizes = [abs(powers(solved(data, Family(degree=9), l2=l2), 0, 9)).max() for l2 in (0.0, 1e-6, 1e-2, 10.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1e5 > 1e4 > sizes[-1]
    flat = answers(solved(data, Family(degree=9), l2=1e5))[0]
    np.testing.assert_allclose(flat, columns["t"].mean(), rtol=0, atol=1e-4)


def test_more_powers_than_points_still_pass_through_them() -> None:
    columns, _, _ = sine()
    found = answers(solved(dataset(columns["x"], columns["t"]), Family(degree=10)))[0]
    np.testing.assert_allclose(found, columns["t"], rtol=0, atol=1e-9)


def test_gradients_find_the_same_line() -> None:
    columns, _, _ = sine()
    data = dataset(columns["x"], columns["t"])
    exact = answers(solved(data, Family(degree=3)))[0]
    descent = {"optimizer": "adam", "lr": 0.1, "epochs": 400, "batch_size": 10, "weight_decay": 0.0}
    found = answers(solved(data, Family(degree=3), patience=0, **descent))[0]
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-3)


def test_raw_numbers_of_any_size_give_the_same_curve() -> None:
    columns, _, _ = sine()
    usual = answers(solved(dataset(columns["x"], columns["t"]), Family(degree=5)))[0]
    far = answers(solved(dataset(columns["x"] * 1e6 - 3e7, columns["t"] * 1e3 + 5e5), Family(degree=5)))[0]
    np.testing.assert_allclose(far, usual * 1e3 + 5e5, rtol=1e-9)


# ---- the functions ---------------------------------------------------------------------------------------


def plain(basis: str, z: float, j: int, degree: int) -> float:
    """The j-th function, from 1 on, at z, where the training rows' range is −1 to 1."""
    if basis == "powers":
        return float(Chebyshev.basis(j)(z))
    gap = 2 / max(1, degree - 1)
    middle = -1 + gap * (j - 1)
    if basis == "gaussian":
        return math.exp(-((z - middle) ** 2) / (2 * gap**2))
    return 1 / (1 + math.exp(-(z - middle) / gap))


@pytest.mark.parametrize("degree", [0, 1, 2, 5, 10])
@pytest.mark.parametrize("basis", ["powers", "gaussian", "sigmoid"])
def test_functions_are_those_of_a_plain_loop(basis: str, degree: int) -> None:
    layer = Functions(basis, 2, degree, 10).double()
    rows = torch.tensor([[3.0, -1.0, 9.0], [7.0, 0.0, 8.0], [4.0, 2.5, 7.0]], dtype=torch.float64)
    layer.fit(rows)
    assert layer.center.tolist() == [5.0, 0.75]
    assert layer.reach.tolist() == [2.0, 1.75]
    made = layer(rows)
    assert made.shape == (3, 21)
    assert torch.equal(made[:, 20], rows[:, 2])  # what is no number of the table stays as it is
    for b in range(3):
        for i in range(2):
            z = float((rows[b, i] - layer.center[i]) / layer.reach[i])
            wanted = [plain(basis, z, j, degree) if j <= degree else 0.0 for j in range(1, 11)]
            torch.testing.assert_close(made[b, 10 * i : 10 * i + 10], torch.tensor(wanted).double())


@pytest.mark.parametrize("basis", ["powers", "gaussian", "sigmoid"])
def test_a_constant_input_is_harmless(basis: str) -> None:
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=30), np.full(30, 4.0)], 1)
    y = np.sin(x[:, 0])
    found = answers(solved(dataset(x, y), Family(degree=5, basis=basis)))[0]
    assert np.isfinite(found).all()
    assert np.sqrt(((found - y) ** 2).mean()) < 0.05


def test_degree_decides_the_room_and_the_room_the_cohort() -> None:
    assert [Family(degree=d).room for d in (0, 3, 10, 11, 30)] == [10, 10, 10, 30, 30]
    assert Family(degree=1).structure() == Family(degree=10).structure()
    assert Family(degree=10).structure() != Family(degree=11).structure()


def test_gradients_of_functions_are_finite_in_both_precisions() -> None:
    for dtype in (torch.float32, torch.float64):
        for basis in ("powers", "gaussian", "sigmoid"):
            layer = Functions(basis, 1, 9, 10).to(dtype)
            x: Tensor = torch.linspace(-10, 10, 9, dtype=dtype)[:, None].requires_grad_()
            (gradient,) = torch.autograd.grad(layer(x).sum(), x)
            assert gradient.isfinite().all()
