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
from functools import partial
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from conftest import ALONE, HANGS, random_images, same
from torch import nn

from ganlib import data, record, scores
from ganlib.data import ASSETS, to_pixels
from ganlib.record import PER_EPOCH, PER_FRAME, RecordError, train_and_record
from ganlib.state import Settings

# numpy's numbers and lists, too: with a seed of numpy's a night's run once could not be written.
SMALL = {"hidden_G": [16, np.int64(8)], "hidden_D": (16,), "m": np.int32(20), "seed": np.int64(7),
         "device": "cpu", "precision": "fp32"}  # fmt: skip


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
    assert (kept.data, kept.count, kept.epochs, kept.precision) == ("mnist", 100, 5, "fp32") and kept.processor
    assert kept.settings["seed"] == 7 and kept.settings["hidden_G"] == (16, 8)
    for name in ("loss_D", "loss_G", "D_x", "D_Gz", "seconds"):
        assert torch.equal(getattr(kept, name), torch.tensor([getattr(epoch, name) for epoch in epochs]))
    assert torch.equal(kept.images, torch.stack([to_pixels(epoch.images[:, 0]) for epoch in epochs]))
    frames = [frame for epoch in epochs[:3] for frame in epoch.frames]  # the first three epochs are filmed
    assert kept.film["iteration"].tolist() == [frame.iteration for frame in frames] == [5, 10, 15]
    assert torch.equal(kept.film["images"], torch.stack([frame.images[:, 0] for frame in frames]))
    assert kept.scores["parzen"].nan_to_num(-1).tolist() == [-1, 20, -1, 40, 50]
    assert math.isnan(kept.scores["mean"][0]) and kept.scores["mean"][1].isfinite()
    assert os.listdir(path.parent) == ["run.pt.xz"]  # neither .resume nor .part
    command = "python -m ganlib train mnist --epochs 5 --set seed=7 m=20 hidden_G=(16, 8) hidden_D=(16,)"
    assert kept.provenance == f"{command}: Ḡ, fp32, 100 ảnh"
    drawn = kept.generator()(epochs[-1].state.fixed_noise).detach()  # what the run draws
    torch.testing.assert_close(drawn, epochs[-1].images, atol=2e-3, rtol=0)  # but for fp16


@pytest.mark.parametrize("name", data.KINDS)
def test_the_shipped_records_are_of_the_recipe(name):
    kept = record.load(ASSETS / f"{name}.pt.xz")
    assert (kept.data, kept.epochs, kept.count) == (name, 100, 60_000) and Settings(**kept.settings) == Settings()
    assert kept.film["iteration"].tolist() == list(range(50, 1801, 50)) and kept.film.keys() == set(PER_FRAME)
    for values in (kept.loss_D, kept.loss_G, kept.D_x, kept.D_Gz, *(v[9::10] for v in kept.scores.values())):
        assert values.isfinite().all()
    assert kept.generator()(torch.zeros(2, 100)).shape == (2, 1, 28, 28)


def test_a_resumed_run_is_the_same_bit_for_bit(finished, tmp_path):
    """Left twice, and stopped once in the midst of writing: the file before it stays whole."""
    path, write = tmp_path / "again", Path.write_bytes
    for resume, told in (False, [1]), (True, [2, 3]):
        assert [epoch.epoch for epoch in islice(run(path, resume), len(told))] == told
        assert not path.exists() and Path(f"{path}.resume").exists()
        torch.manual_seed(99)  # another session's randomness

    def half(path, content):
        write(path, content[:100])
        raise OSError("No space left on device")

    with patch.object(Path, "write_bytes", half), pytest.raises(OSError, match="No space"):
        next(run(path, resume=True))
    assert [epoch.epoch for epoch in run(path, resume=True)] == [4, 5]
    assert same(bits(path), bits(finished[0])) and not Path(f"{path}.resume").exists()


def test_what_does_not_fit_is_refused_before_any_work(finished, tmp_path):
    for resume in (False, True):
        with pytest.raises(RecordError, match="đã có; ganlib không ghi đè"):
            run(finished[0], resume=resume)
    with pytest.raises(RecordError, match="a.resume không có"):
        run(tmp_path / "a", resume=True)
    next(run(tmp_path / "a"))
    before = (tmp_path / "a.resume").read_bytes()
    with pytest.raises(RecordError, match="đang dở: thêm resume=True"):
        run(tmp_path / "a")
    for other in ({"epochs": 6}, {"lr_D": 1e-3}, {"precision": "bf16"}, {"images": random_images(80)}):
        with pytest.raises(RecordError, match="Không chạy tiếp được .*a.resume: lần ấy khác ở [escp]"):
            run(tmp_path / "a", resume=True, **other)
    for network in ({"G": nn.Linear(100, 784)}, {"D": nn.Flatten()}):
        with pytest.raises(RecordError, match=r"chỉ giữ được mạng của ganlib.*torch.save\(G.state_dict\(\)"):
            run(tmp_path / "b", **network)
    assert (tmp_path / "a.resume").read_bytes() == before


def test_cut_changed_and_foreign_files_are_refused_with_a_sentence(finished, tmp_path):
    next(run(tmp_path / "half"))
    unfinished, content = (tmp_path / "half.resume").read_bytes(), finished[0].read_bytes()
    damaged, chance = [b"", b"text", lzma.compress(b"?"), record.packed({"x": 1}), unfinished], random.Random(0)
    for end in [200, 4096, len(content)] * 15:  # headers are hit as often as bodies
        place = chance.randrange(end)
        changed = bytes([content[place] ^ chance.randrange(1, 256)])
        damaged += [content[:place], content[:place] + changed + content[place + 1 :]]
    for content in damaged:
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(RecordError, match="^Không đọc được .*Hãy|không phải là bản ghi"):
            record.load(tmp_path / "a")
    with pytest.raises(RecordError, match="Không đọc được"):
        record.load(tmp_path / "none")
    (tmp_path / "b.resume").write_bytes(unfinished[:5000])
    with pytest.raises(RecordError, match="^Không đọc được .*b.resume.*Hãy"):
        run(tmp_path / "b", resume=True)


def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    bomb = record.packed({"loss_D": Bomb(), "about": {}, "state": {}})
    for name in ("a", "x", "b.resume", "classifier.pt"):
        (tmp_path / name).write_bytes(lzma.compress(bomb) if name == "x" else bomb)
    monkeypatch.setattr(data, "ASSETS", tmp_path)
    reads = [partial(record.load, tmp_path / name) for name in "ax"]
    for read in (*reads, partial(run, tmp_path / "b", resume=True), partial(scores.load_classifier, "mnist")):
        with pytest.raises(RecordError, match="Không đọc được"):
            read()
    assert not (tmp_path / "executed").exists()
    torch.load(io.BytesIO(bomb), weights_only=False)
    assert (tmp_path / "executed").exists()  # the bomb is a live one


@pytest.mark.slow
def test_killed_at_random_moments_a_run_ends_as_if_it_had_not_been(tmp_path, kills=8):
    """kill -9 and Ctrl-C by turns: at most the epoch under way is lost, and the end has the same bits."""
    whole, out, chance = tmp_path / "whole", tmp_path / "out", random.Random(kills)
    words = "-u -m ganlib train mnist --epochs 3 --score-every 0 --set m=50 hidden_G=[8] hidden_D=[8] --out".split()

    def begin(path):
        command = [sys.executable, *words, path, *["--resume"] * Path(f"{path}.resume").exists()]
        return subprocess.Popen(command, env=ALONE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    assert begin(whole).wait(HANGS) == 0
    for done in range(kills):
        process = begin(out)
        process.stdout.readline()
        time.sleep(chance.uniform(0, 4))
        process.send_signal((signal.SIGKILL, signal.SIGINT)[done % 2])
        process.communicate(timeout=HANGS)
        if out.exists():
            assert same(bits(out), bits(whole))
            out.unlink()
    assert begin(out).wait(HANGS) == 0
    assert same(bits(out), bits(whole)) and not Path(f"{out}.resume").exists()
