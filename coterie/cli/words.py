"""What the help says of each verb. Every example in it is parsed by a test."""

from __future__ import annotations

from dataclasses import dataclass

DATA = (
    "CSV, TSV, Parquet, JSON Lines or Excel, packed (.gz) or not; a plain text (.txt); a folder of "
    "Parquet files, images or texts, of MNIST's or CIFAR's files; .npy, .npz; or a bundled set: digits, "
    "breast_cancer, iris, wine, diabetes, linnerud, digits-images; and, or, xor, celsius, sine, blobs, "
    "moons, circles, spirals, shapes, signals, parity, adding, copy, reversal, markov-text, two-sources, "
    "ring, grid, bars; or an environment to act in: CartPole-v1, gridworld, or any of Gymnasium's"
)


@dataclass(frozen=True)
class Verb:
    """usage: what follows the verb; short: in the list; says: a sentence; end: examples and hints."""

    usage: str
    short: str
    says: str
    end: str


VERBS: dict[str, Verb] = {
    "fit": Verb(
        "[DATA] [options]",
        "learn from data: a model, honest scores, a report",
        "Learns from a table, images, texts or sequences, or by acting: trains all\n"
        "candidates together, chooses honestly, and reports.",
        """\
examples:
  coterie fit digits
  coterie fit patients.csv --target disease --positive yes --no-rows
  coterie fit houses.parquet --target price --models mlp,linear --folds 10 --seeds 3
  coterie fit visits.csv --target died --group patient --time-limit 10m
  coterie fit patients.csv --target disease --candidates 64 --search halving
  coterie fit patients.csv --target disease --candidates 64 --search tpe --storage sqlite:///trials.db
  coterie fit pictures/ --models cnn --fix flip=0.5 --fix lr=auto
  coterie fit scans/ --init runs/pictures-1 --fix freeze=5
  coterie fit book.txt --models gpt --fix depth=12 --fix accumulate=8 --fix recompute=true
  coterie fit load.csv --time hour --target load --horizon 24
  coterie fit iris --grid lr=1e-3 --grid lr=1e-2 --grid hidden=64,64 --grid hidden=128 --models mlp
  coterie fit digits --models vae
  coterie fit CartPole-v1 --models ppo --seeds 5
  coterie fit --config runs/patients-1/study.json

Ctrl-C finishes the step and saves; `coterie resume runs/NAME-N` goes on from there.
`coterie models mlp` lists what --fix and --grid can set.
`torchrun --standalone --nproc-per-node 4 -m coterie fit …` spreads the networks over processes, and shares
large ones where there are fewer.""",
    ),
    "inspect": Verb(
        "[DATA] [options]",
        "what would be trained on, and what looks wrong",
        "Says what would be trained on and what looks wrong with it. It trains nothing.",
        """\
examples:
  coterie inspect patients.csv --target disease
  coterie inspect visits.csv --target died --group patient --kind zip=category""",
    ),
    "resume": Verb(
        "FOLDER [options]",
        "go on after a kill, a crash or Ctrl-C",
        "Goes on with a study that was cut off, from the last step that was saved.",
        """\
examples:
  coterie resume runs/patients-1""",
    ),
    "predict": Verb(
        "FOLDER DATA [options]",
        "use a study's model on new rows",
        "Predicts: classes and probabilities, or values and intervals, in the order of the rows; images\n"
        "beside the names of their files.",
        """\
examples:
  coterie predict runs/patients-1 new.csv -o out.csv --keep patient
  coterie predict runs/patients-1 new.parquet --threshold 0.2
  coterie predict runs/pictures-1 new/ --skip-bad -o out.csv""",
    ),
    "sample": Verb(
        "FOLDER [options]",
        "rows of a model's own, from what it learned without labels",
        "Draws rows from a model that learned without labels: a VAE, GAN, flow, diffusion, ….\n"
        "Of an agent these are episodes that it plays: what it gained, in how many steps.",
        """\
examples:
  coterie sample runs/digits-2 -n 64 -o samples.png
  coterie sample runs/moons-1 -n 500 --seed 3 -o points.csv
  coterie sample runs/CartPole-v1-1 -n 5""",
    ),
    "encode": Verb(
        "FOLDER DATA [options]",
        "what a model makes of rows on the way: codes, features",
        "Encodes rows: the codes of an autoencoder, or what the last layer of a network is given.",
        """\
examples:
  coterie encode runs/digits-2 new.csv -o codes.parquet
  coterie encode runs/pictures-1 new/ -o features.npy
  coterie encode runs/digits-2 digits --keep digit -o codes.parquet
  coterie fit codes.parquet --target digit --models kmeans""",
    ),
    "reconstruct": Verb(
        "FOLDER DATA [options]",
        "rows as they come back from their codes",
        "Reconstructs rows: as they come back from the codes that a model makes of them.",
        """\
examples:
  coterie reconstruct runs/digits-2 new.csv -o again.csv""",
    ),
    "generate": Verb(
        "FOLDER [options]",
        "let a model that learned to write go on from a prompt",
        "Generates a text: a model of the family gpt goes on from a prompt, token by token.",
        """\
examples:
  coterie generate runs/markov-text-1
  coterie generate runs/book-1 --prompt "Once" --length 400
  coterie generate runs/book-1 --prompt "Once" --temperature 0.8 --top-p 0.9 --seed 3""",
    ),
    "evaluate": Verb(
        "FOLDER DATA [options]",
        "judge a study's model on new labelled rows",
        "Scores a study's model, with intervals, on labelled rows that it has never seen.",
        """\
examples:
  coterie evaluate runs/patients-1 later.csv
  coterie evaluate runs/patients-1 later.csv --by sex,hospital""",
    ),
    "report": Verb(
        "FOLDER [options]",
        "write a study's page again",
        "Writes a study's page again, and names it.",
        """\
examples:
  coterie report runs/patients-1
  coterie report runs/patients-1 --no-rows -o patients.html""",
    ),
    "models": Verb(
        "[NAME] [options]",
        "the families of models and their hyperparameters",
        "Lists the families of models. Of one: what it is, a drawing of its network, parameters and\n"
        "multiply–adds for a given input, and its hyperparameters with bounds and search ranges.",
        """\
examples:
  coterie models
  coterie models mlp
  coterie models lstm --steps 50,3 --classes 2
  coterie models resnet --fix depth=50 --image 3,224,224 --classes 1000""",
    ),
}

TITLE = """\
Trains every fold, seed and hyperparameter together as one tensor program, and says honestly
which network to trust.

verbs:
"""
EXAMPLES = """

examples:
  coterie fit digits
  coterie fit patients.csv --target disease
  coterie predict runs/patients-1 new.csv -o out.csv

`coterie VERB --help` says more of each."""

DESCRIPTION = TITLE + "\n".join(f"  {name:<13}{verb.short}" for name, verb in VERBS.items()) + EXAMPLES
