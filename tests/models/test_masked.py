"""Hidden tokens: how many, which, and how the loss counts them."""

import pytest
import torch
from torch import nn

from coterie.data.tokens import END, MASK, SPECIAL, START
from coterie.models import masked
from coterie.models.bert import BERT
from coterie.models.catalogue import FAMILIES
from coterie.models.masked import Masked
from coterie.models.shape import Shape

VOCABULARY, LONGEST = 12, 20


class Seen(nn.Module):
    """Layers that keep what they are given; the vector of a token is the token."""

    def forward(self, steps, mask):
        self.shown = steps[..., 0].long()
        return steps


class Plain(nn.Module):
    def forward(self, inputs):
        tokens = inputs["tokens"]
        return tokens[..., None].float(), tokens > 0


def texts(rows: int = 400) -> torch.Tensor:
    g = torch.Generator().manual_seed(1)
    tokens = torch.randint(len(SPECIAL), VOCABULARY, (rows, LONGEST), generator=g)
    tokens[:, 0] = START
    length = torch.randint(3, LONGEST + 1, (rows,), generator=g)
    at = torch.arange(LONGEST)
    tokens[torch.arange(rows), length - 1] = END
    return torch.where(at < length[:, None], tokens, 0)


def watched() -> Masked:
    torch.manual_seed(0)
    return Masked(Plain(), Seen(), 1, VOCABULARY)


def judged(body: Masked, tokens: torch.Tensor, place: torch.Tensor | None = None) -> torch.Tensor:
    place = torch.arange(len(tokens)) if place is None else place
    with torch.no_grad():
        return body.judge(tokens, torch.zeros_like(place), place)["masked_loss"]


def test_of_a_text_a_sixth_is_hidden_mostly_under_the_mask():
    body, tokens = watched(), texts()
    judged(body, tokens)
    changed = body.layers.shown != tokens
    real = (tokens > 0) & (tokens != START) & (tokens != END)
    assert not changed[~real].any()  # neither padding nor the ends
    share = float(changed[real].float().mean())
    assert 0.12 < share < 0.18  # 9 in 10 of 15 %, and one token of short texts at least
    masks = float((body.layers.shown[changed] == MASK).float().mean())
    assert 0.82 < masks < 0.95  # 8 of the 9
    assert (body.layers.shown[changed & (body.layers.shown != MASK)] >= len(SPECIAL)).all()


def test_every_text_has_a_hidden_token_and_an_empty_one_costs_nothing():
    tokens = torch.tensor([[START, 7, END], [START, END, 0], [START, 6, END]])
    loss = judged(watched(), tokens)
    assert loss[0] > 0
    assert loss[2] > 0
    assert loss[1] == 0


def test_judging_goes_by_the_row_and_not_by_its_neighbours():
    body, tokens = watched(), texts(50)
    every = judged(body, tokens)
    some = torch.tensor([40, 3, 17])
    assert torch.allclose(judged(body, tokens[some], some), every[some])
    assert not torch.equal(judged(body, tokens[some], some + 1), every[some])


def test_padding_says_nothing():
    tokens = texts(20)
    tokens[:, 12:] = 0
    shape = Shape(tokens=(LONGEST, VOCABULARY))
    torch.manual_seed(0)
    body = BERT(width=8, depth=1, heads=2).network(shape, "unsupervised", 0).body.eval().double()
    with torch.no_grad():
        states = body.encode(tokens), body.encode(tokens[:, :12])
    assert torch.allclose(*states, atol=1e-12)


def test_the_loss_is_the_mean_over_the_hidden_tokens_alone():
    body = watched()
    for parameter in body.words.parameters():
        nn.init.zeros_(parameter)  # every token as probable as any other
    assert torch.allclose(judged(body, texts(30)), torch.tensor(float(VOCABULARY)).log())


def test_training_hides_other_tokens_at_every_step():
    body, tokens = watched(), texts(30)
    shown = []
    for key in (1, 2):
        body.key = torch.tensor(key)
        body.losses(tokens, torch.zeros(30), "")
        shown.append(body.layers.shown)
    assert not torch.equal(*shown)


def test_steps_and_layers_have_the_names_of_the_classifier():
    shape = Shape(tokens=(LONGEST, VOCABULARY))
    family = FAMILIES["bert"](width=8, depth=1, heads=2)
    learned, classifier = (
        {n: p.shape for n, p in family.network(shape, task, k).named_parameters()}
        for task, k in (("unsupervised", 0), ("multiclass", 3))
    )
    shared = learned.keys() & classifier.keys()
    assert all(learned[name] == classifier[name] for name in shared)
    assert any("attention" in name for name in shared)
    assert {name for name in learned if name not in shared} == {n for n in learned if ".words." in n}


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_is_what_is_hidden(share, monkeypatch):
    monkeypatch.setattr(masked, "HIDDEN", share)
    monkeypatch.setattr(masked, "ASIDE", (1.0, 1.0))
    body, tokens = watched(), texts(30)
    judged(body, tokens)
    count = (body.layers.shown == MASK).sum(1)
    real = ((tokens > 0) & (tokens != START) & (tokens != END)).sum(1)
    assert torch.equal(count, real if share else real.clamp_max(1))
