"""What models make: rows as a person knows them, codes there and back, and what each family refuses."""

import numpy as np
import polars as pl
import pytest
from small_models import drawn

from coterie.errors import ModelError


def mixed(rows: int = 50) -> pl.DataFrame:
    rng = np.random.default_rng(2)
    days = pl.Series(rng.integers(18000, 18700, rows).astype(np.int32)).cast(pl.Date)
    return pl.DataFrame(
        {
            "age": [None if i % 9 == 4 else float(v) for i, v in enumerate(rng.normal(50, 9, rows).round(1))],
            "ward": rng.choice(["north", "south", "west"], rows),
            "smoker": rng.choice(["yes", "no"], rows),
            "seen": days,
        }
    )


@pytest.fixture(scope="module")
def vae():
    return drawn("vae", mixed(), codes=2, hidden=(6,))


def test_samples_are_rows_of_the_users_own_table(vae):
    rows = vae.sample(20)
    assert rows.columns == ["age", "ward", "smoker", "seen"]
    assert set(rows["ward"]) <= {"north", "south", "west"}
    assert set(rows["smoker"]) <= {"yes", "no"}
    assert rows["seen"].dtype == pl.Date
    assert rows["age"].is_not_null().all()


def test_a_sample_goes_by_its_seed_and_its_place_alone(vae):
    assert vae.sample(5, seed=1).equals(vae.sample(9, seed=1)[:5])
    assert not vae.sample(5, seed=1).equals(vae.sample(5, seed=2))


def test_decoding_codes_is_reconstructing(vae):
    data = mixed()
    codes = vae.encode(data)
    assert codes.shape == (50, 2)
    assert vae.decode(codes).equals(vae.reconstruct(data))


def test_codes_of_another_width_are_refused(vae):
    with pytest.raises(ModelError, match="2 numbers a row"):
        vae.decode(np.zeros((3, 5)))


def test_each_row_has_its_measures_and_no_prediction(vae):
    table = vae.predict_table(mixed())
    assert table.columns == ["reconstruction error", "evidence bound"]
    assert len(table) == 50
    with pytest.raises(ModelError, match="predict_table says how well"):
        vae.predict(mixed())
    with pytest.raises(ModelError, match="for classes"):
        vae.predict_proba(mixed())


def test_images_come_back_as_an_array():
    images = np.random.default_rng(0).normal(size=(12, 1, 5, 4)).astype(np.float32)
    model = drawn("autoencoder", images, codes=2, hidden=(6,))
    assert model.reconstruct(images).shape == (12, 1, 5, 4)


def test_sequences_come_back_in_their_column():
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({"signal": [rng.normal(size=6).tolist() for _ in range(12)]})
    again = drawn("autoencoder", rows, codes=2, hidden=(6,)).reconstruct(rows)
    assert again.columns == ["signal"]
    assert again["signal"].list.len().to_list() == [6] * 12


def test_a_density_is_told_in_nats_for_each_row():
    data = pl.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), schema=["x", "y"])
    model = drawn("flow", data, layers=2, hidden=(6,))
    assert model.score_samples(data).shape == (20,)
    wide = drawn("flow", data * 10, layers=2, hidden=(6,))
    assert np.allclose(model.score_samples(data) - wide.score_samples(data * 10), 2 * np.log(10), atol=1e-3)


@pytest.mark.parametrize(
    ("call", "has"),
    [
        (lambda m: m.sample(2), "encode, decode, reconstruct"),
        (lambda m: m.score_samples(mixed()), "encode, decode, reconstruct"),
        (lambda m: m.generate("a"), "encode, decode, reconstruct"),
    ],
)
def test_what_a_family_cannot_do_names_what_it_can(call, has):
    with pytest.raises(ModelError, match=f"family autoencoder.*{has}"):
        call(drawn("autoencoder", mixed(), codes=2, hidden=(6,)))


def test_a_class_is_drawn_only_by_a_family_that_was_told_classes(vae):
    with pytest.raises(ModelError, match="conditional=true"):
        vae.sample(2, label="north")
    data = mixed()
    told = drawn("vae", data, target="ward", codes=2, hidden=(6,), conditional=True)
    assert "ward" not in told.sample(4, label="south").columns
    assert not told.sample(4, label="south").equals(told.sample(4, label="west"))
    with pytest.raises(ModelError, match="north, south, west"):
        told.sample(2, label="east")
