"""python -m ganlib: a tiny run from start to score, going on with one, and what it says to wrong words."""

import re

import pytest

from ganlib import record, training
from ganlib.__main__ import MEASURES, main

TINY = "--first 60 --m 20 --hidden-G 8 --hidden-D 8 --precision fp32 --device cpu --score-every 0".split()


@pytest.fixture(autouse=True)
def empty_folder(sample_only, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_train_then_score(few_samples, capsys):
    words = ["--epochs", "3", "--seed", "3", "--average", "0.9", *TINY, "--score-every", "2"]
    assert main(["train", "mnist", *words]) == 0
    said = capsys.readouterr().out
    assert "epoch 3/3" in said and "Đã ghi mnist.safetensors" in said
    kept = record.load("mnist.safetensors")
    assert (kept.epochs, kept.count, kept.settings["seed"], kept.settings["hidden_G"]) == (3, 60, 3, (8,))
    for key in ("parzen", "recall", "D_test"):
        assert kept.scores[key].isfinite().tolist() == [False, True, True]  # each second, and the last
    assert main(["score", "mnist.safetensors"]) == 0
    said = capsys.readouterr().out
    assert "không so được với bài báo" in said and re.search(r"Tỉ lệ mười lớp: 0 [\d.]+%, 1 [\d.]+%", said)
    for key, (name, digits) in MEASURES.items():
        mean, sd = map(float, re.search(rf"{re.escape(name)}: (\S+) ± (\S+)\n", said).groups())
        near = 0.01 * abs(float(kept.scores[key][-1])) + 2 * 10**-digits  # the record's weights are rounded
        assert mean == pytest.approx(float(kept.scores[key][-1]), abs=near)
        assert sd == pytest.approx(float(kept.scores[f"{key}_sd"][-1]), abs=near)


def test_train_goes_on_where_it_was_stopped(monkeypatch, capsys):
    def stop_at_the_second(epoch):
        if epoch.epoch == 2:
            raise KeyboardInterrupt
        return "…"

    words = ["train", "mnist", "--epochs", "3", *TINY]
    with monkeypatch.context() as patch:
        patch.setattr(training.Epoch, "__str__", stop_at_the_second)
        assert main([*words, "--out", "halved"]) == 1
    said = capsys.readouterr().err
    assert said.endswith("--out halved --resume\n") and "python -m ganlib train mnist" in said
    for more, named in ([], "--resume"), (["--resume", "--lr-D", "0.5"], "lr_D"):  # nothing of it is lost
        assert main([*words, "--out", "halved", *more]) == 1 and named in capsys.readouterr().err
    assert main([*words, "--out", "halved", "--resume"]) == 0 and record.load("halved").epochs == 3


def test_a_recipe_has_a_flag_and_what_is_given_beside_it_wins():
    for name, recipe in {"plain": training.PLAIN, "results": training.RESULTS["fashion"]}.items():
        assert main(["train", "FashionMNIST", "--epochs", "1", f"--{name}", "--out", name, *TINY]) == 0
        kept = record.load(name)
        assert kept.data == "fashion" and kept.settings["average"] == recipe["average"]
        assert kept.settings["hidden_G"] == (8,)


def test_a_loss_that_breaks_is_not_to_be_gone_on_with(capsys):
    assert main(["train", "mnist", "--epochs", "3", *TINY, "--lr-D", "1e38", "--lr-G", "1e38"]) == 1
    said = capsys.readouterr().err
    assert "NaN" in said and "giảm --lr-D" in said and "--resume" not in said


def test_help_is_vietnamese(capsys):
    for words in ([], ["train"], ["score"], ["figures"]):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        said = capsys.readouterr().out
        assert "cách dùng" in said
        assert not any(english in said for english in ("usage", "options", "arguments", "show this"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train cifar", "'mnist' hoặc 'fashion'"),
        ("train mnist --epochs 0", "epochs phải là số nguyên từ 1"),
        ("train mnist --first 50", "k·m = 1·100 = 100 ảnh"),
        ("train mnist --device tpu", "device phải là"),
        ("score nowhere.safetensors", "không có tệp nào"),
    ],
)
def test_what_cannot_be_done_ends_with_status_1(words, expected, capsys, tmp_path):
    assert main(words.split()) == 1
    said = capsys.readouterr().err
    assert said.startswith("Lỗi: ") and expected in said
    assert not list(tmp_path.glob("*.safetensors*"))
