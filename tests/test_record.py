"""ganlib.record: what a file keeps, that it survives interruption bit for bit, and what is refused."""

import json
import math
import os
from itertools import islice

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ganlib import record
from ganlib.data import ASSETS, Images, to_pixels
from ganlib.networks import Generator
from ganlib.record import PER_EPOCH, Record, RecordError, resume_path, run

SMALL = {"hidden_G": (16, 8), "hidden_D": (16,), "m": 20, "device": "cpu", "precision": "fp32"}


@pytest.fixture(scope="module")
def images():
    random = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (100, 28, 28), dtype=torch.uint8, generator=random)
    return Images("mnist", pixels, torch.zeros(100, dtype=torch.int64), "cache", "")


def score(state):
    torch.randn(5)  # the caller's randomness, which the run must not notice
    return {"parzen": state.epoch * 10, "mean": state.sampler()(state.fixed_noise).detach().mean()}


@pytest.fixture(scope="module")
def file(images, tmp_path_factory):
    """A finished run of 5 epochs, scored at 2, 4 and 5, and the epochs it yielded."""
    path = tmp_path_factory.mktemp("run") / "run.safetensors"
    epochs = list(run(images, path, 5, score=score, score_every=2, decay_from=0.4, seed=7, **SMALL))
    return path, epochs


def same(a, b):
    """Two records hold the same bits, but for the seconds."""
    tensors = [[getattr(r, n) for n in PER_EPOCH if n != "seconds"] for r in (a, b)]
    tensors = [mine + list(r.scores.values()) + list(r.weights.values()) for mine, r in zip(tensors, (a, b))]  # noqa: B905
    assert a.scores.keys() == b.scores.keys() and a.weights.keys() == b.weights.keys()
    return all(torch.equal(x.nan_to_num(-1), y.nan_to_num(-1)) for x, y in zip(*tensors, strict=True))


# ------------------------------------------------------------------------------------------ what it keeps


def test_keeps_what_train_yielded(file):
    path, epochs = file
    kept = Record.load(path)
    assert (kept.data, kept.count, kept.source, kept.epochs) == ("mnist", 100, "cache", 5)
    assert kept.settings["seed"] == 7 and kept.settings["hidden_G"] == (16, 8)
    assert kept.precision == "fp32" and kept.processor
    assert kept.versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    for name in ("loss_D", "loss_G", "D_x", "D_Gz", "seconds"):
        values = getattr(kept, name)
        assert values.dtype == torch.float32
        assert torch.equal(values, torch.tensor([getattr(epoch, name) for epoch in epochs]))
    assert kept.images.dtype == torch.uint8 and kept.images.shape == (5, 36, 28, 28)
    for shown, epoch in zip(kept.images, epochs, strict=True):
        assert torch.equal(shown, to_pixels(epoch.images[:, 0]))
    assert kept.scores["parzen"].nan_to_num(-1).tolist() == [-1, 20, -1, 40, 50]
    assert sorted(os.listdir(path.parent)) == ["run.safetensors"]  # neither .resume nor .part


def test_generators_draw_what_the_run_draws(file):
    path, epochs = file
    kept, state = Record.load(path), epochs[-1].state
    for averaged, G in ((True, state.G_avg), (False, state.G)):
        again = kept.generator(averaged=averaged)
        assert not again.training
        with torch.no_grad():
            difference = (again(state.fixed_noise) - G(state.fixed_noise)).abs().max()
        assert difference < 2e-3  # fp16 weights
    assert not torch.equal(kept.weights["G.layers.0.weight"], kept.weights["G_avg.layers.0.weight"])


def test_a_run_without_average_has_one_generator(images, tmp_path):
    list(run(images, tmp_path / "a", 1, average=0.0, **SMALL))
    kept = Record.load(tmp_path / "a")
    assert not [name for name in kept.weights if name.startswith("G_avg")]
    weights = [kept.generator(averaged=a).layers[0].weight for a in (True, False)]
    assert torch.equal(*weights) and kept.scores == {}


def test_saving_a_loaded_record_changes_nothing(file, tmp_path):
    Record.load(file[0]).save(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == file[0].read_bytes()


def test_size_stays_under_the_limit_and_says_what_is_missing(images, tmp_path, monkeypatch):
    size = {w: 2 * sum(p.numel() for p in Generator(100, (w, w)).parameters()) for w in (768, 1200)}
    room = record.LIMIT - record.REST - 100 * 36 * 784  # 100 epochs: two generators of 768, one of 1200
    assert 2 * size[768] < room and size[1200] < room
    both = 2 * 2 * (100 * 16 + 16 + 16 * 8 + 8 + 8 * 784 + 784) + 36 * 784
    for limit, parts in ((both + record.REST, {"G", "G_avg"}), (both + record.REST - 1, {"G_avg"})):
        monkeypatch.setattr(record, "LIMIT", limit)
        path = tmp_path / str(limit)
        list(run(images, path, 1, **SMALL))
        assert path.stat().st_size < limit
        assert {name.split(".")[0] for name in Record.load(path).weights} == parts
    with pytest.raises(RecordError, match="averaged=True"):
        Record.load(path).generator(averaged=False)


@pytest.mark.parametrize("name", ["mnist", "fashion"])
def test_shipped_record(name):
    path = ASSETS / f"{name}.safetensors"
    if not path.exists():
        pytest.skip("not recorded yet")
    kept = Record.load(path)
    assert path.stat().st_size < record.LIMIT
    assert (kept.data, kept.epochs, kept.count, kept.source != "sample") == (name, 100, 60_000, True)
    for values in (kept.loss_D, kept.loss_G, kept.D_x, kept.D_Gz, kept.scores["parzen"][9::10]):
        assert values.isfinite().all()


# -------------------------------------------------------------------------------------------- interruption


@pytest.mark.parametrize("stops", [[1], [4], [1, 2, 3]])
def test_resumed_run_is_the_same_bit_for_bit(file, images, tmp_path, stops):
    path, done = tmp_path / "again", 0
    options = dict(score=score, score_every=2, decay_from=0.4, seed=7, **SMALL)
    for stop in stops:
        epochs = run(images, path, 5, resume=done > 0, **options)
        seen = [epoch.epoch for epoch in islice(epochs, stop - done)]
        assert seen == list(range(done + 1, stop + 1))
        assert not path.exists() and resume_path(path).exists()
        done = stop
        epochs.close()
        torch.manual_seed(99)  # another session's randomness
    list(run(images, path, 5, resume=True, **options))
    assert path.exists() and not resume_path(path).exists()
    assert same(Record.load(path), Record.load(file[0]))


def test_another_seed_is_not_the_same(file, images, tmp_path):
    list(run(images, tmp_path / "a", 5, score=score, score_every=2, decay_from=0.4, seed=8, **SMALL))
    assert not same(Record.load(tmp_path / "a"), Record.load(file[0]))


def test_stop_within_an_epoch_goes_on_from_the_last_whole_one(file, images, tmp_path, monkeypatch):
    path, options = tmp_path / "a", dict(score=score, score_every=2, decay_from=0.4, seed=7, **SMALL)
    update, calls = record.algorithm.update_G, []

    def stopped(*args):
        calls.append(1)
        if len(calls) == 13:  # 5 iterations an epoch: within the third
            raise KeyboardInterrupt
        return update(*args)

    monkeypatch.setattr(record.algorithm, "update_G", stopped)
    with pytest.warns(RuntimeWarning, match="Đã dừng theo yêu cầu"):
        assert [epoch.epoch for epoch in run(images, path, 5, **options)] == [1, 2]
    list(run(images, path, 5, resume=True, **options))
    assert same(Record.load(path), Record.load(file[0]))


@pytest.mark.parametrize(
    "other, words",
    [
        ({"seed": 8}, ["seed (đang dở: 7, bây giờ: 8)"]),
        ({"epochs": 6}, ["epochs (đang dở: 5, bây giờ: 6)"]),
        ({"lr_D": 1e-3, "hidden_G": (8,)}, ["lr_D (đang dở: 0.0001, bây giờ: 0.001)", "hidden_G", "[16, 8]"]),
        ({"count": 80}, ["count (đang dở: 100, bây giờ: 80)"]),
        ({"precision": "bf16"}, ["precision"]),
    ],
)
def test_resume_with_other_settings_names_them(images, tmp_path, other, words):
    next(run(images, tmp_path / "a", 5, **{"seed": 7} | SMALL))
    before = resume_path(tmp_path / "a").read_bytes()
    options = {"seed": 7, "epochs": 5} | SMALL | other
    few = Images("mnist", images.pixels[: options.pop("count", 100)], images.labels, "cache", "")
    with pytest.raises(RecordError) as caught:
        run(few, tmp_path / "a", resume=True, **options)
    for word in [*words, "lựa chọn khác"]:
        assert word in str(caught.value)
    assert ("m (đang dở" in str(caught.value)) is False
    assert resume_path(tmp_path / "a").read_bytes() == before


def test_nothing_is_overwritten(file, images, tmp_path):
    with pytest.raises(RecordError, match="đã có"):
        run(images, file[0], 5, **SMALL)
    with pytest.raises(RecordError, match="đã có"):
        run(images, file[0], 5, resume=True, **SMALL)
    with pytest.raises(RecordError, match="Không có tệp .*a.resume để chạy tiếp"):
        run(images, tmp_path / "a", 5, resume=True, **SMALL)
    next(run(images, tmp_path / "a", 5, **SMALL))
    with pytest.raises(RecordError, match="đang dở"):
        run(images, tmp_path / "a", 5, **SMALL)


def test_a_folder_that_cannot_be_written_is_said_before_any_work(images, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="Không ghi được"):
        run(images, tmp_path / "file" / "a", 5, **SMALL)


def test_a_write_that_fails_leaves_the_old_file(file, tmp_path, monkeypatch):
    kept, path = Record.load(file[0]), tmp_path / "a"
    kept.save(path)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordError, match="Không ghi được tệp .*chỗ trống"):
        kept.save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a"]


# --------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 0.3, 0.6, 0.999])
def test_truncated(file, tmp_path, keep):
    content = file[0].read_bytes()
    (tmp_path / "a").write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(RecordError, match=r"Không đọc được .*cắt cụt.*[Hh]uấn luyện lại|.*huấn luyện lại"):
        Record.load(tmp_path / "a")


def rewritten(path, to, change):
    """A copy whose (metadata, tensors) `change` has changed, without a seal: its content must be judged."""
    with safe_open(path, "pt") as opened:
        about = json.loads(opened.metadata()["ganlib"])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}
    del about["seal"]
    change(about, tensors)
    save_file(tensors, to, {"ganlib": json.dumps(about)})
    return to


def test_the_copy_itself_is_read(file, tmp_path):
    assert same(Record.load(rewritten(file[0], tmp_path / "a", lambda *_: None)), Record.load(file[0]))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda about, _: about.update(version=99), "phiên bản 99, ganlib này đọc phiên bản 1"),
        (lambda about, _: about.update(kind="ảnh"), "không phải là bản ghi"),
        (lambda about, _: about.pop("settings"), "thiếu"),
        (lambda _, tensors: tensors.pop("loss_D"), "thiếu"),
        (lambda _, tensors: tensors.update(D_x=torch.zeros(4)), "sai kích thước"),
        (lambda _, tensors: tensors.update(images=tensors["images"][:, :35].clone()), "sai kích thước"),
        (lambda _, tensors: tensors.pop("G_avg.layers.0.bias"), "thiếu"),
    ],
)
def test_wrong_content(file, tmp_path, change, words):
    path = rewritten(file[0], tmp_path / "a", change)
    with pytest.raises(RecordError, match=words):
        Record.load(path)


def test_foreign_files(file, images, tmp_path):
    save_file({"x": torch.zeros(3)}, tmp_path / "bare")
    save_file({"x": torch.zeros(3)}, tmp_path / "meta", {"ganlib": "{"})
    (tmp_path / "text").write_text("không phải safetensors " * 20, encoding="utf-8")
    torch.save({"a": 1}, tmp_path / "pickle")
    next(run(images, tmp_path / "unfinished", 2, **SMALL))
    for path in [*tmp_path.iterdir(), tmp_path, tmp_path / "none"]:
        with pytest.raises(RecordError, match="Không đọc được.*Hãy"):
            Record.load(path)


def test_a_broken_resume_file_is_refused(images, tmp_path):
    next(run(images, tmp_path / "a", 2, **SMALL))
    unfinished = resume_path(tmp_path / "a")
    unfinished.write_bytes(unfinished.read_bytes()[:-10])
    with pytest.raises(RecordError, match="cắt cụt"):
        run(images, tmp_path / "a", 2, resume=True, **SMALL)


def test_nan_scores_are_kept_apart_from_losses(file):
    kept = Record.load(file[0])
    assert math.isnan(kept.scores["mean"][0]) and kept.loss_D.isfinite().all()
