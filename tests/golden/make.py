"""Made the model folders beside this file, once, with the first version: every later one must load them.

    python tests/golden/make.py NEW_FOLDER

Never run it to make a failing test pass: a model that somebody saved is loaded or it is lost.
"""

import json
import shutil
import sys
from pathlib import Path

import coterie as ct

IRIS = {
    "sepal length (cm)": [5.1, 6.7, None, 5.9, 1e6],
    "sepal width (cm)": [3.5, 3.0, 2.9, None, -1e6],
    "petal length (cm)": [1.4, 5.2, 4.5, 5.1, 0.0],
    "petal width (cm)": [0.2, 2.3, 1.5, 1.8, 0.0],
}
HOUSES = {
    "area": [50.0, 120.0, None, 80.0],
    "rooms": [2, 4, 3, 1],
    "town": ["Aa", "Bø", "elsewhere", None],
    "sold": ["2020-01-31", "2021-07-01", "2019-12-24", None],
    "garden": ["yes", "no", None, "yes"],
}


def houses() -> dict[str, list]:
    """Values that follow from numbers, a category, a date and a yes or no; some are missing."""
    rows = range(90)
    area = [30.0 + (37 * i) % 120 for i in rows]
    town = [("Aa", "Bø", "Ce")[i * 7 % 3] for i in rows]
    price = [3.0 * a + 40 * (t == "Bø") + (i * 13 % 11) for i, a, t in zip(rows, area, town, strict=True)]
    return {
        "area": [None if i % 17 == 3 else a for i, a in zip(rows, area, strict=True)],
        "rooms": [1 + i * 5 % 6 for i in rows],
        "town": [None if i % 19 == 4 else t for i, t in zip(rows, town, strict=True)],
        "sold": [f"{2019 + i % 3}-{1 + i * 5 % 12:02}-{1 + i * 11 % 28:02}" for i in rows],
        "garden": ["yes" if i % 3 else "no" for i in rows],
        "price": price,
    }


def main() -> None:
    place = Path(sys.argv[1])
    expected = {}
    fix = {"hidden": "6", "norm": "batch", "epochs": 60, "lr": 1e-2}
    asked = {
        "iris_mlp": (("iris", None), {"models": "mlp", "fix": fix}, IRIS),
        "houses_linear": ((houses(), "price"), {"models": "linear", "fix": {"optimizer": "exact"}}, HOUSES),
    }
    for name, (data, options, rows) in asked.items():
        study = ct.fit(*data, out=place / "study", candidates=1, folds=3, **options)
        model = study.model
        model.about["versions"].pop("platform")
        model.save(place / name)
        shutil.rmtree(study.folder)
        expected[name] = {
            "rows": rows,
            "output": model.output(rows).tolist(),
            "labels": model.predict(rows).tolist(),
            "columns": model.predict_table(rows).columns,
        }
    text = json.dumps(expected, indent=1, ensure_ascii=False)
    (place / "expected.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
