"""python -m ganlib: a tiny run from start to score, going on with one, and what it says to wrong words."""

import numpy as np
import pytest

from ganlib import data, record
from ganlib.__main__ import main
from ganlib.algorithm import PLAIN, RESULTS

TINY = "--first 60 --m 20 --hidden-G 8 --hidden-D 8 --precision fp32 --device cpu --score-every 0".split()


@pytest.fixture(autouse=True)
def sample_only(tmp_path, monkeypatch):
    """The shipped sample is the only data at hand."""
    monkeypatch.delenv("GANLIB_DATA", raising=False)
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")


def test_train_then_score(tmp_path, capsys):
    out, samples = tmp_path / "run.safetensors", tmp_path / "samples.npy"
    assert main(["train", "mnist", "--epochs", "2", "--seed", "3", "--out", str(out), *TINY]) == 0
    said = capsys.readouterr().out
    assert "epoch 2/2" in said and "Chỉ học 60 ảnh" in said
    kept = record.Record.load(out)
    assert kept.epochs == 2 and kept.settings["seed"] == 3 and kept.settings["hidden_G"] == (8,)
    assert main(["score", str(out), "--samples", str(samples)]) == 0
    said = capsys.readouterr().out
    assert said.index("Parzen") < said.index("Fréchet") and "không so được với bài báo" in said
    x = np.load(samples)
    assert x.shape == (10_000, 28, 28) and 0 <= x.min() < x.max() <= 1


def test_train_goes_on_where_it_was_stopped(tmp_path, monkeypatch, capsys):
    def stop_at_the_second(epoch):
        if epoch.epoch == 2:
            raise KeyboardInterrupt
        return "…"

    whole, halved = tmp_path / "whole.safetensors", tmp_path / "halved.safetensors"
    words = ["train", "mnist", "--epochs", "3", *TINY]
    assert main([*words, "--out", str(whole)]) == 0
    with monkeypatch.context() as patch:
        patch.setattr("ganlib.algorithm.Epoch.__str__", stop_at_the_second)
        assert main([*words, "--out", str(halved)]) == 1
    assert "--resume" in capsys.readouterr().err and not halved.exists()
    assert main([*words, "--out", str(halved)]) == 1  # nothing of the unfinished run is lost by starting anew
    assert "--resume" in capsys.readouterr().err
    assert main([*words, "--out", str(halved), "--resume", "--lr-D", "0.5"]) == 1
    assert "lr_D" in capsys.readouterr().err
    assert main([*words, "--out", str(halved), "--resume"]) == 0
    one, other = record.Record.load(whole), record.Record.load(halved)
    assert one.loss_G.tolist() == other.loss_G.tolist() and one.images.equal(other.images)
    assert not record.resume_path(halved).exists()


@pytest.mark.parametrize(
    ("recipe", "average"), [("plain", PLAIN["average"]), ("results", RESULTS["mnist"]["average"])]
)
def test_a_recipe_has_a_flag_and_what_is_given_beside_it_wins(tmp_path, recipe, average):
    out = tmp_path / "run.safetensors"
    assert main(["train", "mnist", "--epochs", "1", "--out", str(out), f"--{recipe}", *TINY]) == 0
    settings = record.Record.load(out).settings
    assert settings["hidden_G"] == (8,) and settings["average"] == average


def test_a_finished_run_is_not_overwritten(tmp_path, capsys):
    out = tmp_path / "run.safetensors"
    out.write_bytes(b"precious")
    assert main(["train", "mnist", "--epochs", "1", "--out", str(out), *TINY]) == 1
    assert "đã có" in capsys.readouterr().err and out.read_bytes() == b"precious"


def test_a_loss_that_breaks_ends_with_its_reason(tmp_path, capsys):
    words = ["train", "mnist", "--epochs", "3", "--out", str(tmp_path / "run.safetensors"), *TINY]
    assert main([*words, "--lr-D", "1e38", "--lr-G", "1e38"]) == 1
    assert "NaN" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], ["score", "--help"], ["figures", "--help"]]
)
def test_help_is_vietnamese(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    said = capsys.readouterr().out
    assert end.value.code == 0 and "cách dùng" in said and "usage" not in said and "optional" not in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "còn thiếu"),
        (["train", "mnist"], "còn thiếu: --out"),
        (["train", "cifar", "--out", "x"], "mnist"),
        (["train", "mnist", "--out", "x", "--epochs", "0"], "số nguyên từ 1 trở lên"),
        (["train", "mnist", "--out", "x", "--learning-rate", "1"], "--learning-rate"),
        (["train", "mnist", "--out", "x", "--plain", "--results"], "chỉ chọn một"),
    ],
)
def test_wrong_words_end_with_status_2(words, expected, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2 and expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "mnist", "--out", "x.safetensors", "--k", "0"], "k phải là"),
        (["score", "nowhere.safetensors"], "không có tệp nào"),
    ],
)
def test_what_cannot_be_done_ends_with_status_1(words, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    assert expected in capsys.readouterr().err and not list(tmp_path.glob("*"))
