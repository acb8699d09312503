"""The zoo: every family by name, simplest first. A new family adds one line here."""

from __future__ import annotations

from coterie.errors import SpecError
from coterie.models.adaline import Adaline
from coterie.models.alexnet import AlexNet
from coterie.models.autoencoder import (
    Autoencoder,
    DenoisingAutoencoder,
    LinearAutoencoder,
    SparseAutoencoder,
)
from coterie.models.bag import Bag
from coterie.models.bert import BERT
from coterie.models.cnn import CNN
from coterie.models.cnn1d import CNN1d
from coterie.models.dbn import DBN
from coterie.models.diffusion import Diffusion
from coterie.models.dqn import DQN
from coterie.models.family import Family
from coterie.models.flow import Flow
from coterie.models.gan import GAN, WGAN
from coterie.models.googlenet import GoogLeNet
from coterie.models.gpt import GPT
from coterie.models.kmeans import KMeans
from coterie.models.lenet import LeNet
from coterie.models.linear import Linear
from coterie.models.mlp import MLP
from coterie.models.perceptron import Perceptron
from coterie.models.polynomial import Polynomial
from coterie.models.ppo import PPO
from coterie.models.rbf import RBF
from coterie.models.rbm import RBM
from coterie.models.recurrent import GRU, LSTM, RNN
from coterie.models.resnet import ResNet
from coterie.models.seq2seq import Seq2Seq
from coterie.models.simclr import SimCLR
from coterie.models.tabm import TabM
from coterie.models.tcn import TCN
from coterie.models.threshold import Threshold
from coterie.models.transformer import Transformer
from coterie.models.vae import VAE
from coterie.models.vgg import VGG
from coterie.models.vit import ViT
from coterie.spec import nearest

FAMILIES: dict[str, type[Family]] = {
    "threshold": Threshold,
    "perceptron": Perceptron,
    "adaline": Adaline,
    "polynomial": Polynomial,
    "rbf": RBF,
    "linear": Linear,
    "mlp": MLP,
    "tabm": TabM,
    "cnn": CNN,
    "lenet": LeNet,
    "alexnet": AlexNet,
    "vgg": VGG,
    "googlenet": GoogLeNet,
    "resnet": ResNet,
    "vit": ViT,
    "cnn1d": CNN1d,
    "tcn": TCN,
    "rnn": RNN,
    "lstm": LSTM,
    "gru": GRU,
    "bag": Bag,
    "bert": BERT,
    "gpt": GPT,
    "transformer": Transformer,
    "seq2seq": Seq2Seq,
    "linear_autoencoder": LinearAutoencoder,
    "autoencoder": Autoencoder,
    "denoising_autoencoder": DenoisingAutoencoder,
    "sparse_autoencoder": SparseAutoencoder,
    "vae": VAE,
    "rbm": RBM,
    "dbn": DBN,
    "flow": Flow,
    "kmeans": KMeans,
    "gan": GAN,
    "wgan": WGAN,
    "diffusion": Diffusion,
    "simclr": SimCLR,
    "dqn": DQN,
    "ppo": PPO,
}


def family_named(name: str) -> type[Family]:
    """The family of that name; `SpecError` with the nearest one if there is none."""
    if name not in FAMILIES:
        near = nearest(name, FAMILIES)
        fix = f"Did you mean {near!r}?" if near else "`coterie models` lists them."
        raise SpecError(f"A family must be one of {', '.join(FAMILIES)}.", given=repr(name), fix=fix)
    return FAMILIES[name]
