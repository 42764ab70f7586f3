"""ganlib.record: what a file keeps, that going on gives the same bits, which files and runs are refused."""

import io
import lzma
import math
import os
import random
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ALONE, HANGS, random_images, same, spoilt
from torch import nn

from ganlib import data, record, scores
from ganlib.data import ASSETS, to_pixels
from ganlib.record import PER_EPOCH, PER_FRAME, RecordError, train_and_record
from ganlib.state import Settings

SMALL = {"hidden_G": (16, 8), "hidden_D": (16,), "m": 20, "device": "cpu", "precision": "fp32", "seed": 7}


def score(state):
    torch.randn(5)  # the caller's randomness, which the run must not notice
    return {"parzen": state.epoch * 10, "mean": state.sampler()(state.fixed_noise).detach().mean()}


def run(path, resume=False, images=None, **options):
    """A run of 5 epochs, scored at 2, 4 and 5."""
    options = {"score": score, "score_every": 2, "epochs": 5} | SMALL | options
    return train_and_record(images or random_images(100), path, resume=resume, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The file of a finished run, and its epochs."""
    path = tmp_path_factory.mktemp("run") / "run.pt.xz"
    return path, list(run(path))


def bits(path):
    """All that a record holds but the seconds, in one order."""
    kept = record.load(path)
    tensors = [getattr(kept, name) for name in PER_EPOCH if name != "seconds"] + list(kept.film.values())
    return [t.nan_to_num(-1) for t in [*tensors, *kept.weights.values(), *kept.scores.values()]]


def test_keeps_what_train_yielded(finished):
    path, epochs = finished
    kept = record.load(str(path))
    assert (kept.data, kept.count, kept.epochs, kept.precision) == (
        "mnist",
        100,
        5,
        "fp32",
    ) and kept.processor
    assert kept.settings["seed"] == 7 and kept.settings["hidden_G"] == (16, 8)
    for name in ("loss_D", "loss_G", "D_x", "D_Gz", "seconds"):
        assert torch.equal(getattr(kept, name), torch.tensor([getattr(epoch, name) for epoch in epochs]))
    for shown, epoch in zip(kept.images, epochs, strict=True):
        assert shown.shape == (36, 28, 28) and torch.equal(shown, to_pixels(epoch.images[:, 0]))
    frames = [frame for epoch in epochs[:3] for frame in epoch.frames]  # the first three epochs are filmed
    assert kept.film["iteration"].tolist() == [frame.iteration for frame in frames] == [5, 10, 15]
    assert torch.equal(kept.film["images"], torch.stack([frame.images[:, 0] for frame in frames]))
    assert kept.scores["parzen"].nan_to_num(-1).tolist() == [-1, 20, -1, 40, 50]
    assert math.isnan(kept.scores["mean"][0]) and kept.scores["mean"][1].isfinite()
    assert os.listdir(path.parent) == ["run.pt.xz"]  # neither .resume nor .part
    command = "python -m ganlib train mnist --epochs 5 --set seed=7 m=20 hidden_G=(16, 8) hidden_D=(16,)"
    assert kept.provenance == f"{command}: Ḡ, fp32, 100 ảnh"


def test_its_generator_draws_what_the_run_draws(finished, tmp_path):
    path, epochs = finished
    list(run(tmp_path / "a", average=0.0, score=None, epochs=1))
    for kept, state in ((record.load(path), epochs[-1].state), (record.load(tmp_path / "a"), None)):
        assert not kept.generator().training
        if state:
            with torch.no_grad():
                difference = (
                    (kept.generator()(state.fixed_noise) - state.G_avg(state.fixed_noise)).abs().max()
                )
            assert difference < 2e-3  # fp16 weights
    assert kept.scores == {} and ": G, fp32" in kept.provenance


@pytest.mark.parametrize("name", ["mnist", "fashion"])
def test_the_shipped_records_are_of_the_recipe(name):
    """One Settings for both sets; a run of 100 epochs on all images; small."""
    kept = record.load(ASSETS / f"{name}.pt.xz")
    assert (kept.data, kept.epochs, kept.count) == (name, 100, 60_000)
    assert Settings(**kept.settings) == Settings()
    assert kept.film["iteration"].tolist() == list(range(50, 1801, 50)) and kept.film.keys() == set(PER_FRAME)
    for values in (kept.loss_D, kept.loss_G, kept.D_x, kept.D_Gz, *(v[9::10] for v in kept.scores.values())):
        assert values.isfinite().all()
    assert kept.generator()(torch.zeros(2, 100)).shape == (2, 1, 28, 28)
    assert (ASSETS / f"{name}.pt.xz").stat().st_size < 4_500_000


def test_a_resumed_run_is_the_same_bit_for_bit(finished, tmp_path):
    path, unfinished = tmp_path / "again", tmp_path / "again.resume"
    for resume, (first, last) in enumerate([(1, 1), (2, 4)]):
        epochs = run(path, resume=resume > 0)
        assert [epoch.epoch for epoch in islice(epochs, last - first + 1)] == list(range(first, last + 1))
        assert not path.exists() and unfinished.exists()
        del epochs
        torch.manual_seed(99)  # another session's randomness
    list(run(path, resume=True))
    assert os.listdir(tmp_path) == ["again"] and same(bits(path), bits(finished[0]))


def test_a_seed_of_numpy_s_loses_no_night(finished, tmp_path):
    """Defect: every epoch was trained, then nothing could be written."""
    list(run(tmp_path / "a", seed=np.int64(7), hidden_G=[16, np.int64(8)]))
    assert same(bits(tmp_path / "a"), bits(finished[0]))


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"epochs": 6}, "epochs"),
        ({"lr_D": 1e-3}, "settings"),
        ({"precision": "bf16"}, "precision"),
        ({"images": random_images(80)}, "count"),
    ],
)
def test_going_on_with_another_run_is_refused_and_said(tmp_path, other, named):
    next(run(tmp_path / "a"))
    before = (tmp_path / "a.resume").read_bytes()
    with pytest.raises(RecordError, match=f"Không chạy tiếp được .*a.resume: lần ấy khác ở {named}"):
        run(tmp_path / "a", resume=True, **other)
    assert (tmp_path / "a.resume").read_bytes() == before


def test_nothing_is_overwritten_and_own_networks_are_told_before_any_work(finished, tmp_path):
    for resume in (False, True):
        with pytest.raises(RecordError, match="đã có; ganlib không ghi đè"):
            run(finished[0], resume=resume)
    with pytest.raises(RecordError, match="a.resume không có"):
        run(tmp_path / "a", resume=True)
    next(run(tmp_path / "a"))
    with pytest.raises(RecordError, match="đang dở: thêm resume=True"):
        run(tmp_path / "a")
    for network in ({"G": nn.Linear(100, 784)}, {"D": nn.Flatten()}):
        with pytest.raises(RecordError, match=r"chỉ giữ được mạng của ganlib.*torch.save\(G.state_dict\(\)"):
            run(tmp_path / "b", **network)


def test_cut_changed_and_foreign_files_are_refused_with_a_sentence(finished, tmp_path):
    next(run(tmp_path / "half"))
    place, chance = tmp_path / "a", random.Random(0)
    content = finished[0].read_bytes()
    torch.save({"x": torch.zeros(3)}, tmp_path / "bare")
    foreign = [(tmp_path / name).read_bytes() for name in ("bare", "half.resume")] + [
        b"",
        b"text",
        lzma.compress(b"?"),
    ]
    for damaged in [spoilt(content, chance) for _ in range(60)] + foreign:
        place.write_bytes(damaged)
        with pytest.raises(RecordError, match="^Không đọc được .*Hãy|không phải là bản ghi"):
            record.load(place)
    with pytest.raises(RecordError, match="Không đọc được"):
        record.load(tmp_path / "none")
    (tmp_path / "a.resume").write_bytes((tmp_path / "half.resume").read_bytes()[:5000])
    place.unlink()
    with pytest.raises(RecordError, match="^Không đọc được .*a.resume.*Hãy"):
        run(place, resume=True)


def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    bomb = io.BytesIO()
    torch.save({"loss_D": Bomb(), "about": {}, "state": {}}, bomb)
    for name, content in (
        ("a", bomb.getvalue()),
        ("x", lzma.compress(bomb.getvalue())),
        ("b.resume", bomb.getvalue()),
    ):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "classifier.pt").write_bytes(bomb.getvalue())
    monkeypatch.setattr(data, "ASSETS", tmp_path)
    for read in (
        lambda: record.load(tmp_path / "a"),
        lambda: record.load(tmp_path / "x"),
        lambda: run(tmp_path / "b", resume=True),
        lambda: scores.load_classifier("mnist"),
    ):
        with pytest.raises((RecordError, data.DataError), match="Không đọc được|thiếu hoặc hỏng"):
            read()
    assert not (tmp_path / "executed").exists()
    torch.load(io.BytesIO(bomb.getvalue()), weights_only=False)
    assert (tmp_path / "executed").exists()  # the bomb is a live one


def test_a_write_that_fails_keeps_what_was_reached(finished, tmp_path, monkeypatch):
    """A full disk, say: the file before it stays whole, and the run goes on from there."""
    epochs, write = run(tmp_path / "a"), Path.write_bytes
    next(epochs), next(epochs)

    def full(path, content):
        write(path, content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        next(epochs)
    monkeypatch.setattr(Path, "write_bytes", write)
    assert [epoch.epoch for epoch in run(tmp_path / "a", resume=True)] == [3, 4, 5]
    assert same(bits(tmp_path / "a"), bits(finished[0]))


@pytest.mark.slow
def test_killed_at_random_moments_a_run_ends_as_if_it_had_not_been(tmp_path, kills=8):
    """kill -9 and Ctrl-C by turns: at most the epoch under way is lost, and the end has the same bits."""
    whole, out, chance = tmp_path / "whole", tmp_path / "out", random.Random(kills)
    few = ["m=20", "hidden_G=[8]", "hidden_D=[8]"]

    def words(path, resume):
        return ["train", "mnist", "--epochs", "3", "--score-every", "0", "--out", str(path), *["--resume"] * resume,
                "--set", *few]  # fmt: skip

    def begin(path, resume=False):
        return subprocess.Popen([sys.executable, "-u", "-m", "ganlib", *words(path, resume)], env=ALONE,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip

    assert begin(whole).wait(HANGS) == 0
    for done in range(kills):
        process = begin(out, resume=Path(f"{out}.resume").exists())
        process.stdout.readline()
        time.sleep(chance.uniform(0, 4))
        process.send_signal((signal.SIGKILL, signal.SIGINT)[done % 2])
        process.communicate(timeout=HANGS)
        if out.exists():
            assert same(bits(out), bits(whole))
            out.unlink()
    assert begin(out, resume=Path(f"{out}.resume").exists()).wait(HANGS) == 0
    assert same(bits(out), bits(whole)) and not Path(f"{out}.resume").exists()
