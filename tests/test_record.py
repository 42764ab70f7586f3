"""ganlib.record: what a file keeps, that going on gives the same bits, which files and runs are refused."""

import io
import json
import math
import os
import re
from itertools import islice

import pytest
import torch
from conftest import random_images, same
from safetensors.torch import save, save_file

from ganlib import files, record
from ganlib.data import ASSETS, to_pixels
from ganlib.record import PER_EPOCH, RecordError, resume_path, train_and_record

SMALL = {"hidden_G": (16, 8), "hidden_D": (16,), "m": 20, "device": "cpu", "precision": "fp32", "seed": 7}


def score(state):
    torch.randn(5)  # the caller's randomness, which the run must not notice
    return {"parzen": state.epoch * 10, "mean": state.sampler()(state.fixed_noise).detach().mean()}


def run(path, resume=False, images=None, **options):
    """A run of 5 epochs, scored at 2, 4 and 5."""
    options = {"score": score, "score_every": 2, "epochs": 5} | SMALL | options
    return train_and_record(images or random_images(100), path, resume=resume, **options)


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def finished(request, tmp_path_factory):
    """The file of a finished run, its epochs, and its precision."""
    path = tmp_path_factory.mktemp("run") / "run.safetensors"
    return path, list(run(path, precision=request.param)), request.param


def test_keeps_what_train_yielded(finished, tmp_path):
    path, epochs, precision = finished
    kept = record.load(path)
    assert (kept.data, kept.count, kept.source) == ("mnist", 100, "cache")
    assert (kept.epochs, kept.score_every) == (5, 2)
    assert kept.settings["seed"] == 7 and kept.settings["hidden_G"] == (16, 8)
    assert kept.precision == precision and kept.processor and set(kept.versions) == {"python", "torch"}
    for name in ("loss_D", "loss_G", "D_x", "D_Gz", "seconds"):
        assert torch.equal(getattr(kept, name), torch.tensor([getattr(epoch, name) for epoch in epochs]))
    for shown, epoch in zip(kept.images, epochs, strict=True):
        assert shown.shape == (36, 28, 28) and torch.equal(shown, to_pixels(epoch.images[:, 0]))
    assert kept.scores["parzen"].nan_to_num(-1).tolist() == [-1, 20, -1, 40, 50]
    assert math.isnan(kept.scores["mean"][0]) and kept.scores["mean"][1].isfinite()
    assert os.listdir(path.parent) == ["run.safetensors"]  # neither .resume nor .part
    kept.save(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


def test_generators_draw_what_the_run_draws(finished):
    path, epochs, _ = finished
    kept, state = record.load(str(path)), epochs[-1].state
    for averaged, G in ((True, state.G_avg), (False, state.G)):
        again = kept.generator(averaged=averaged)
        with torch.no_grad():
            difference = (again(state.fixed_noise) - G(state.fixed_noise)).abs().max()
        assert not again.training and difference < 2e-3  # fp16 weights
    assert not torch.equal(kept.weights["G.layers.0.weight"], kept.weights["G_avg.layers.0.weight"])


def test_a_run_without_average_and_scores(tmp_path):
    list(run(tmp_path / "a", average=0.0, score=None, epochs=1))
    kept = record.load(tmp_path / "a")
    assert kept.scores == {} and same(*(kept.generator(averaged=a).parameters() for a in (True, False)))


@pytest.mark.parametrize("name", ["mnist", "fashion"])
def test_shipped_record(name):
    kept = record.load(ASSETS / f"{name}.safetensors")
    assert (kept.data, kept.epochs, kept.count, kept.source != "sample") == (name, 100, 60_000, True)
    for values in (kept.loss_D, kept.loss_G, kept.D_x, kept.D_Gz, kept.scores["parzen"][9::10]):
        assert values.isfinite().all()
    assert kept.generator()(torch.zeros(2, kept.settings["latent_dim"])).shape == (2, 1, 28, 28)


def test_a_resumed_run_is_the_same_bit_for_bit(finished, tmp_path):
    path, precision = tmp_path / "again", finished[2]
    for resume, (first, last) in enumerate([(1, 1), (2, 4)]):
        epochs = run(path, resume=resume > 0, precision=precision)
        assert [epoch.epoch for epoch in islice(epochs, last - first + 1)] == list(range(first, last + 1))
        assert not path.exists() and resume_path(path).exists()
        epochs.close()
        torch.manual_seed(99)  # another session's randomness
    list(run(path, resume=True, precision=precision))
    assert os.listdir(tmp_path) == ["again"]
    one, other = record.load(path), record.load(finished[0])
    measured = [name for name in PER_EPOCH if name != "seconds"]
    assert same(*([getattr(kept, name) for name in measured] for kept in (one, other)))
    assert same(*(kept.weights.values() for kept in (one, other)))
    assert same(*([scored.nan_to_num(-1) for scored in kept.scores.values()] for kept in (one, other)))


def tell_otherwise(unfinished, **change):
    """The same unfinished run with other words about it, sealed anew."""
    saved = torch.load(io.BytesIO(unfinished.read_bytes()[len(files.SEAL) :]), weights_only=True)
    saved["run"] |= change
    content = io.BytesIO()
    torch.save(saved, content)
    files.write(unfinished, files.seal(files.SEAL.encode() + content.getvalue()))


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"epochs": 6}, {"epochs": "đang dở: 5, bây giờ: 6"}),
        ({"lr_D": 1e-3, "hidden_G": (8,)}, {"lr_D": "0.001", "hidden_G": "(16, 8)"}),
        ({"precision": "bf16", "score_every": 3}, {"precision": "bây giờ: bf16", "score_every": "3"}),
        ({"fast": False}, {"tricks": "frozen"}),
        ({"images": random_images(80)}, {"count": "80", "images": ""}),
        ({"images": random_images(100, seed=4)}, {"images": ""}),  # as many, but others
        ({"was": {"device": "cuda"}}, {"device": "đang dở: cuda, bây giờ: cpu"}),
    ],
)
def test_going_on_with_another_run_is_refused_and_said(tmp_path, other, named):
    next(run(tmp_path / "a"))
    tell_otherwise(resume_path(tmp_path / "a"), **other.get("was", {}))
    before = resume_path(tmp_path / "a").read_bytes()
    with pytest.raises(RecordError, match="Hãy dùng lại đúng những lựa chọn") as caught:
        run(tmp_path / "a", resume=True, **{name: value for name, value in other.items() if name != "was"})
    said = str(caught.value)
    assert set(re.findall(r"(\w+) \(đang dở", said)) == set(named) and all(v in said for v in named.values())
    assert resume_path(tmp_path / "a").read_bytes() == before


def test_the_same_images_from_elsewhere_go_on(tmp_path):
    """From a download into the cache, say; an older version's words on them do not matter either."""
    next(run(tmp_path / "a", epochs=2))
    tell_otherwise(resume_path(tmp_path / "a"), processor="another", versions={})
    list(run(tmp_path / "a", epochs=2, resume=True, images=random_images(100, source="download")))
    assert record.load(tmp_path / "a").source == "download"


def test_nothing_is_overwritten(finished, tmp_path):
    for resume in (False, True):
        with pytest.raises(RecordError, match="đã có"):
            run(finished[0], resume=resume)
    with pytest.raises(RecordError, match="Không có tệp .*a.resume để chạy tiếp"):
        run(tmp_path / "a", resume=True)
    next(run(tmp_path / "a"))
    with pytest.raises(RecordError, match="đang dở.*--resume"):
        run(tmp_path / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="Không ghi được"):
        run(tmp_path / "file" / "a")


def about(path, **change):
    """A file with the record's tensors, sealed anew, and with other words about them."""
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    words = json.loads(header["__metadata__"]["ganlib"]) | {"seal": files.SEAL} | change
    kept = record.load(path)
    tensors = {name: getattr(kept, name) for name in PER_EPOCH if name not in change} | kept.weights
    return files.seal(save(tensors, {"ganlib": json.dumps(words)}))


def test_foreign_files_are_refused_with_a_sentence(finished, tmp_path):
    """Whole files, sealed even, but of something else; damaged ones: test_faults.py."""
    (tmp_path / "copy").write_bytes(about(finished[0]))
    assert record.load(tmp_path / "copy").loss_D.equal(record.load(finished[0]).loss_D)
    (tmp_path / "newer").write_bytes(about(finished[0], version=99))
    (tmp_path / "without").write_bytes(about(finished[0], loss_D=None))
    save_file({"x": torch.zeros(3)}, tmp_path / "bare")
    next(run(tmp_path / "unfinished"))
    for name in ("newer", "without", "bare", "unfinished.resume", "", "none"):
        with pytest.raises(RecordError, match="^Không đọc được .*Hãy") as caught:
            record.load(tmp_path / name)
        assert ("phiên bản 99, ganlib này đọc phiên bản 1" in str(caught.value)) == (name == "newer")
    with pytest.raises(TypeError, match="path phải là đường dẫn"):
        record.load(None)
    for content in (finished[0].read_bytes(), files.seal(files.SEAL.encode() + b"?")):
        resume_path(tmp_path / "a").write_bytes(content)
        with pytest.raises(RecordError, match="^Không đọc được .*a.resume.*Hãy"):
            run(tmp_path / "a", resume=True)
