"""Whatever a reader hands in: the work is done, or a sentence in Vietnamese says what was expected.

Hypothesis puts junk (other types, shapes, dtypes, devices, NaN, empty, huge, negative) in the place of each
argument of the functions that the notebooks call. Never another exception, a half-done work or a crash.
"""

import argparse
import math
import unicodedata

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ganlib
from ganlib import algorithm, data, figures, networks, panels, record, scores, toy, walk
from ganlib.__main__ import parser

FEW, MANY = 12, pytest.param(300, marks=pytest.mark.slow)
SMALL = {"hidden_G": (8,), "hidden_D": (8,), "m": 20, "device": "cpu", "precision": "fp32"}
PIXELS = torch.zeros(40, 28, 28, dtype=torch.uint8)
IMAGES = data.Images("mnist", PIXELS, torch.zeros(40, dtype=torch.int64), "cache", "")
GREY = torch.zeros(4, 28, 28)
X = torch.rand(20, 784)
G, D, JUDGE = networks.Generator(8, (8,)), networks.Discriminator((8,)), scores.Classifier().eval()
Q = torch.ones(4) / 4

shapes = st.sampled_from(
    [(), (0,), (3,), (3, 2), (0, 784), (3, 784), (2, 1, 28, 28), (2, 3, 28, 28), (2, 28, 28)]
)
dtypes = st.sampled_from(
    [torch.float32, torch.float64, torch.bfloat16, torch.uint8, torch.int64, torch.bool, torch.complex64]
)
fills = st.sampled_from([0, 1, -3, 300, math.nan, math.inf])


@st.composite
def tensors(draw):
    shape, dtype, fill = draw(shapes), draw(dtypes), draw(fills)
    if not (dtype.is_floating_point or dtype.is_complex):
        fill = int(fill) % 2 if math.isfinite(fill) else 0
    x = torch.full(shape, fill, dtype=dtype)
    return draw(st.sampled_from([x, x, x, x.to("meta"), x.numpy() if dtype != torch.bfloat16 else x]))


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 2.5, 2**70, -(2**70), math.nan, math.inf, -math.inf, "", "abc", "ảnh", b"x"]),
    st.lists(st.sampled_from([0, 1, -2, 0.5, math.nan, "x", None]), max_size=3),
    st.sampled_from([{}, (), object(), [[1, 2], [3]], {"a": 1}, ["a", "b", "c", "d"]]),
    tensors(),
)

WORK = {  # what is called with the junk
    "epochs": ganlib.epochs,
    "count": lambda x: ganlib.count(x, 1),
    "expect": lambda x: ganlib.expect("loss", x, 0, 1),
    "expect low": lambda x: ganlib.expect("loss", 1, x, 1),
    "report": lambda x: ganlib.report(x),
    "report package": lambda x: ganlib.report(0, x),
    "load": data.load,
    "dataset": data.dataset,
    "to_float": data.to_float,
    "to_pixels": data.to_pixels,
    "batch": IMAGES.batch,
    "Generator": networks.Generator,
    "Generator hidden": lambda x: networks.Generator(8, x),
    "Discriminator": networks.Discriminator,
    "Discriminator dropout": lambda x: networks.Discriminator((8,), x),
    "G": G,
    "D": D,
    **{
        f"start {name}": lambda x, name=name: algorithm.start(**SMALL | {name: x})
        for name in (
            "seed",
            "k",
            "m",
            "lr_D",
            "lr_G",
            "betas",
            "decay_from",
            "average",
            "loss",
            "hidden_G",
            "hidden_D",
            "dropout",
            "latent_dim",
            "device",
            "precision",
        )
    },  # fmt: skip
    "train": lambda x: algorithm.train(x, 1, **SMALL),
    "train epochs": lambda x: algorithm.train(IMAGES, x, **SMALL),
    "train state": lambda x: algorithm.train(IMAGES, 1, state=x),
    "run": lambda x: record.run(x, "nowhere", 1, **SMALL),
    "run epochs": lambda x: record.run(IMAGES, "nowhere", x, **SMALL),
    "run score": lambda x: record.run(IMAGES, "nowhere", 1, score=x, **SMALL),
    "run score_every": lambda x: record.run(IMAGES, "nowhere", 1, score_every=x, **SMALL),
    "Record.load": record.Record.load,
    "parzen": lambda x: scores.parzen(x, X, sigmas=[0.2]),
    "parzen test": lambda x: scores.parzen(X, x, sigmas=[0.2]),
    "parzen sigmas": lambda x: scores.parzen(X, X, X, sigmas=x),
    "class_shares": lambda x: scores.class_shares(x, JUDGE),
    "sure_share": lambda x: scores.sure_share(X, JUDGE, x),
    "sure_share judge": lambda x: scores.sure_share(X, x),
    "frechet": lambda x: scores.frechet(X, x, JUDGE),
    "frechet judge": lambda x: scores.frechet(X, X, x),
    "kl": lambda x: scores.kl(x, Q),
    "nearest": lambda x: scores.nearest(x, X),
    "nearest k": lambda x: scores.nearest(X, X, x),
    "load_classifier": scores.load_classifier,
    "image_grid": figures.image_grid,
    "image_grid columns": lambda x: figures.image_grid(GREY, x),
    "image_grid captions": lambda x: figures.image_grid(GREY, captions=x),
    "image_grid rows": lambda x: figures.image_grid(GREY, 1, rows=x),
    "image_grid title": lambda x: figures.image_grid(GREY, title=x),
    "image_grid color": lambda x: figures.image_grid(GREY, title="a", color=x),
    "grid_png scale": lambda x: figures.grid_png(GREY, scale=x),
    "loss_curves": lambda x: figures.loss_curves(x, x),
    "loss_curves D_x": lambda x: figures.loss_curves([1.0], [1.0], x, [0.5]),
    "loss_curves total": lambda x: figures.loss_curves([1.0], [1.0], total=x),
    "bars": lambda x: figures.bars(x),
    "bars values": lambda x: figures.bars([("một", ["a"], x)]),
    "show": lambda x: figures.show(x, "một hình"),
    "sample": lambda x: toy.ring().sample(x),
    "density": lambda x: toy.ring().density(x),
    "ring": toy.ring,
    "gaussian": toy.gaussian,
    "squares": toy.squares,
    "coverage": lambda x: toy.coverage(x, toy.ring()),
    "mlp": lambda x: toy.mlp(x, 1),
    "mlp layers": lambda x: toy.mlp(1, 1, 8, x),
    "edges": lambda x: toy.edges(x, 1, 4),
    "jsd": lambda x: toy.jsd(x, Q, 1.0),
    "jsd dx": lambda x: toy.jsd(Q, Q, x),
    "density_of_G": lambda x: toy.density_of_G(x, torch.linspace(0, 1, 4)),
    "replay": panels.replay,
    "walk": lambda x: walk.walk(x, x, x, x),
    "walk z": lambda x: walk.walk(G, x, ["a", "b"], {"thẳng": torch.lerp}),
    "walk names": lambda x: walk.walk(G, torch.zeros(2, 8), x, {"thẳng": torch.lerp}),
    "walk paths": lambda x: walk.walk(G, torch.zeros(2, 8), ["a", "b"], x),
}


def is_vietnamese(words):
    """It has letters that only Vietnamese marks so; and is composed (NFC)."""
    marks = [unicodedata.name(letter, "") for letter in words]
    return any("WITH" in name for name in marks) and unicodedata.is_normalized("NFC", words)


def speaks(work, x):
    """work(x) is done, or says in Vietnamese why not."""
    try:
        work(x)
    except (ValueError, TypeError) as error:
        assert is_vietnamese(str(error)), f"not Vietnamese: {error}"
    except record.RecordError as error:
        assert str(error).startswith("Không đọc được")


@pytest.fixture(autouse=True)
def sample_only(tmp_path, monkeypatch):
    """The test images are not read again and again; what would be written lands in a folder of its own."""
    monkeypatch.setattr(data, "_open", lambda name, *_: data._open_checked(name))
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir())  # nothing was written


@pytest.fixture(autouse=True, scope="module")
def known_names():
    """data.load of a good name gives these few images; of another it says so as ever."""
    real = data._open

    class Few:
        data, targets = PIXELS, IMAGES.labels

    def checked(name):
        good = isinstance(name, str) and name in data.NAMES
        return (Few, "cache", "") if good else real(name, True, None)

    data._open_checked = checked
    yield
    del data._open_checked


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("examples", [FEW, MANY])
@pytest.mark.parametrize("name", WORK)
def test_junk_gets_an_answer(name, examples):
    check = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    check(given(junk)(lambda x: speaks(WORK[name], x)))()


@pytest.mark.parametrize("examples", [100, MANY])
def test_the_command_line_takes_its_words_or_ends_with_status_2(examples, capsys):
    """Any words in any order: a command to run, or a Vietnamese sentence and status 2; never a traceback."""
    options = [a for group in parser()._actions if isinstance(group, argparse._SubParsersAction)
               for command in group.choices.values() for action in command._actions
               for a in action.option_strings]  # fmt: skip
    values = [
        "0",
        "-1",
        "1",
        "nan",
        "inf",
        "1e999",
        "",
        " ",
        "512,512",
        "a,b",
        "mnist",
        "ảnh",
        "\0",
        "9" * 400,
    ]
    word = st.one_of(st.sampled_from(options), st.sampled_from(values), st.text(max_size=6))

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(["train", "score", "figures", "x"]), st.lists(word, max_size=6))
    def any_words(command, more):
        try:
            parser().parse_args([command, *more])
        except SystemExit as end:
            said = capsys.readouterr()
            assert end.code in (0, 2) and is_vietnamese(said.err + said.out)

    any_words()
