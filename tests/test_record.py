"""ganlib.record: what a file keeps, that going on gives the same bits, which files and runs are refused."""

import io
import json
import math
import os
import re
import shutil
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from ganlib import files, record
from ganlib.data import ASSETS, Images, to_pixels
from ganlib.record import PER_EPOCH, RecordError, resume_path, train_and_record

SMALL = {"hidden_G": (16, 8), "hidden_D": (16,), "m": 20, "device": "cpu", "precision": "fp32", "seed": 7}


def make_images(count=100, seed=3, source="cache"):
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8, generator=random)
    return Images("mnist", pixels, torch.zeros(count, dtype=torch.int64), source, "")


def score(state):
    torch.randn(5)  # the caller's randomness, which the run must not notice
    return {"parzen": state.epoch * 10, "mean": state.sampler()(state.fixed_noise).detach().mean()}


def run(path, resume=False, images=None, **options):
    """A run of 5 epochs, scored at 2, 4 and 5."""
    options = {"score": score, "score_every": 2, "epochs": 5} | SMALL | options
    return train_and_record(images or make_images(), path, resume=resume, **options)


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def finished(request, tmp_path_factory):
    """The file of a finished run, its epochs, and its precision."""
    path = tmp_path_factory.mktemp("run") / "run.safetensors"
    return path, list(run(path, precision=request.param)), request.param


def same(a, b):
    """Two records hold the same bits, but for the seconds."""

    def held(kept):
        curves = {name: getattr(kept, name) for name in PER_EPOCH if name != "seconds"}
        return curves | kept.scores | kept.weights

    a, b = held(a), held(b)
    return a.keys() == b.keys() and all(torch.equal(a[n].nan_to_num(-1), b[n].nan_to_num(-1)) for n in a)


# ------------------------------------------------------------------------------------------ what it keeps


def test_keeps_what_train_yielded(finished):
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
    assert kept.loss_D.isfinite().all() and math.isnan(kept.scores["mean"][0])
    assert os.listdir(path.parent) == ["run.safetensors"]  # neither .resume nor .part


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
    assert kept.scores == {} and not [name for name in kept.weights if name.startswith("G_avg")]
    weights = [kept.generator(averaged=a).layers[0].weight for a in (True, False)]
    assert torch.equal(*weights)


def test_saving_a_loaded_record_changes_nothing(finished, tmp_path):
    record.load(finished[0]).save(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == finished[0].read_bytes()


@pytest.mark.parametrize(("name", "kind"), [("mnist", str), ("fashion", Path)])
def test_shipped_record(name, kind, tmp_path):
    path = shutil.copy(ASSETS / f"{name}.safetensors", tmp_path)
    os.chmod(path, 0o444)
    kept = record.load(kind(path))
    assert (kept.data, kept.epochs, kept.count, kept.source != "sample") == (name, 100, 60_000, True)
    for values in (kept.loss_D, kept.loss_G, kept.D_x, kept.D_Gz, kept.scores["parzen"][9::10]):
        assert values.isfinite().all()
    assert kept.generator()(torch.zeros(2, kept.settings["latent_dim"])).shape == (2, 1, 28, 28)


# --------------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize("stops", [[4], [1, 2, 3]])
def test_a_resumed_run_is_the_same_bit_for_bit(finished, tmp_path, stops):
    path, done, precision = tmp_path / "again", 0, finished[2]
    for stop in stops:
        epochs = run(path, resume=done > 0, precision=precision)
        assert [epoch.epoch for epoch in islice(epochs, stop - done)] == list(range(done + 1, stop + 1))
        assert not path.exists() and resume_path(path).exists()
        done = stop
        epochs.close()
        torch.manual_seed(99)  # another session's randomness
    list(run(path, resume=True, precision=precision))
    assert os.listdir(tmp_path) == ["again"] and same(record.load(path), record.load(finished[0]))


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
        ({"seed": 8}, {"seed": "đang dở: 7, bây giờ: 8"}),
        ({"epochs": 6}, {"epochs": "đang dở: 5, bây giờ: 6"}),
        ({"lr_D": 1e-3, "hidden_G": (8,)}, {"lr_D": "0.001", "hidden_G": "(16, 8)"}),
        ({"score_every": 3}, {"score_every": "3"}),
        ({"precision": "bf16"}, {"precision": "đang dở: fp32, bây giờ: bf16"}),
        ({"fast": False}, {"tricks": "frozen"}),
        ({"images": make_images(count=80)}, {"count": "80", "images": ""}),
        ({"images": make_images(seed=4)}, {"images": ""}),  # as many, but others
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
    list(run(tmp_path / "a", epochs=2, resume=True, images=make_images(source="download")))
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


# --------------------------------------------------------------------------------------- what is refused


def about(path, **change):
    """A file with the record's tensors, sealed anew, and with other words about them."""
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    words = json.loads(header["__metadata__"]["ganlib"]) | {"seal": files.SEAL} | change
    kept = record.load(path)
    tensors = {name: getattr(kept, name) for name in PER_EPOCH if name not in change} | kept.weights
    return files.seal(save(tensors, {"ganlib": json.dumps(words)}))


def test_foreign_files_are_refused_with_a_sentence(finished, tmp_path):
    (tmp_path / "copy").write_bytes(about(finished[0]))
    assert record.load(tmp_path / "copy").loss_D.equal(record.load(finished[0]).loss_D)
    (tmp_path / "newer").write_bytes(about(finished[0], version=99))
    (tmp_path / "without").write_bytes(about(finished[0], loss_D=None))
    (tmp_path / "sealed").write_bytes(files.seal(files.SEAL.encode() + b"what is this?"))
    save_file({"x": torch.zeros(3)}, tmp_path / "bare")
    (tmp_path / "text").write_text("không phải safetensors " * 20, encoding="utf-8")
    torch.save({"a": 1}, tmp_path / "pickle")
    next(run(tmp_path / "unfinished"))
    for name in ("newer", "without", "sealed", "bare", "text", "pickle", "unfinished.resume", "", "none"):
        with pytest.raises(RecordError, match="^Không đọc được .*Hãy") as caught:
            record.load(tmp_path / name)
        assert ("phiên bản 99, ganlib này đọc phiên bản 1" in str(caught.value)) == (name == "newer")
    with pytest.raises(TypeError, match="path phải là đường dẫn"):
        record.load(None)


def test_a_record_is_no_unfinished_run(finished, tmp_path):
    for content in (finished[0].read_bytes(), files.seal(files.SEAL.encode() + b"?"), b""):
        resume_path(tmp_path / "a").write_bytes(content)
        with pytest.raises(RecordError, match="^Không đọc được .*a.resume.*Hãy"):
            run(tmp_path / "a", resume=True)
