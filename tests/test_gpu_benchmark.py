"""The benchmarks for a GPU run from end to end without one, on small sizes, and reckon as they say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

FILE = Path(__file__).parent.parent / "benchmarks" / "gpu.py"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the benchmarks are not here")


@pytest.fixture(scope="module")
def gpu() -> Any:
    found = importlib.util.spec_from_file_location("gpu_benchmarks", FILE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look there
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("what", ["digits", "gpt2", "resnet50"])
def test_it_runs_anywhere(what: str, gpu: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main([what, "--device", "cpu", "--small", "--rounds", "1"]) == 0
    said = capsys.readouterr().out
    assert "| plain |" in said
    assert "not compiled" not in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_what_to_do(gpu: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        gpu.main(["digits"])
    assert left.value.code == 2
    assert "there is no CUDA device here: run it where there is one" in capsys.readouterr().err


def test_the_loop_trains_the_same_resnet(gpu: Any) -> None:
    with torch.device("meta"):
        network = gpu.resnet50(64, 1000)
    assert sum(p.numel() for p in network.parameters()) == 25_557_032
    small = gpu.images(gpu.SMALL, torch.device("cpu")).cohort
    loop = gpu.TunedLoop(gpu.images(gpu.SMALL, torch.device("cpu")), gpu.SMALL, tuned=False)
    assert small.layout.parameters == loop.parameters


def test_gpt2_small_has_its_size_and_its_operations(gpu: Any) -> None:
    sizes = gpu.Sizes()
    products = sizes.depth * 12 * sizes.width**2 + sizes.words * sizes.width
    tokens = sizes.texts * sizes.steps
    attention = 6 * sizes.depth * sizes.width * sizes.steps * tokens
    assert 2 * gpu.multiply_adds(sizes) == 6 * products * tokens + attention
    assert products == pytest.approx(124.4e6 - 1024 * 768, rel=2e-3)
