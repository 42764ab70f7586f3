"""python -m ganlib: a tiny run from start to score, going on with one, and what it says to wrong words."""

import re
import subprocess
import sys
from contextlib import suppress

import pytest
from conftest import ALONE

from ganlib import __main__, data, record, training
from ganlib.__main__ import main

TINY = "--set m=20 hidden_G=8, hidden_D=8, average=0.9 precision=fp32 device=cpu".split()
TRAIN = ["train", "mnist", "--epochs", "3"]
PLAIN = ["--score-every", "0", *TINY]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """An empty folder; only the first sixty images to learn."""
    few = data.load("mnist", n=60)
    monkeypatch.setattr(__main__.data, "load", lambda name, *_, **__: data.canonical(name) and few)
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings("ignore:σ")
def test_train_then_score(few_samples, capsys):
    assert main([*TRAIN, "--score-every", "2", *TINY, "seed=3"]) == 0
    said = capsys.readouterr().out
    assert "epoch 3/3" in said and "Đã ghi mnist.pt.xz" in said
    kept = record.load("mnist.pt.xz")
    assert (kept.epochs, kept.count, kept.settings["seed"], kept.settings["hidden_G"]) == (3, 60, 3, (8,))
    for key in ("parzen", "recall", "D_test"):
        assert kept.scores[key].isfinite().tolist() == [False, True, True]  # each second, and the last
    assert main(["score", "mnist.pt.xz"]) == 0
    said = capsys.readouterr().out
    assert kept.provenance in said
    for key, spread in ("parzen", "parzen_se"), ("frechet", "frechet_sd"), ("recall", "recall_sd"):
        mean, sd = map(float, re.search(rf"  {key} +(\S+) ± (\S+)\n", said).groups())
        assert mean == pytest.approx(float(kept.scores[key][-1]), rel=0.02, abs=0.01)  # weights are rounded
        assert sd == pytest.approx(float(kept.scores[spread][-1]), rel=0.3, abs=0.01)


def test_train_goes_on_where_it_was_stopped(monkeypatch, capsys):
    def stop_at_the_second(epoch):
        if epoch.epoch == 2:
            raise KeyboardInterrupt
        return "…"

    words = [*TRAIN, "--out", "halved", *PLAIN]
    with monkeypatch.context() as patch:
        patch.setattr(training.Epoch, "__str__", stop_at_the_second)
        assert main(words) == 1
    assert "đã dừng theo yêu cầu" in capsys.readouterr().err
    assert main([*words, "lr_D=0.5", "--resume"]) == 1 and "khác ở settings" in capsys.readouterr().err
    assert main([*words, "--resume"]) == 0 and record.load("halved").epochs == 3


@pytest.mark.parametrize("words, expected", [
    ("train mnist --set lrD=3", "TÊN=GIÁ_TRỊ, với TÊN trong seed, k"),
    ("train cifar", "'mnist' hoặc 'fashion'"),
    ("train mnist --score-every 0 --set m=100", "k·m = 100 ảnh"),
    ("train mnist --score-every 0 --set lr_D=fast", "lr_D không thể là 'fast'"),
    ("score nowhere.pt.xz", "Không đọc được nowhere.pt.xz"),
])  # fmt: skip
def test_what_cannot_be_done_gets_a_sentence(words, expected, capsys, tmp_path):
    with suppress(SystemExit):  # argparse's own
        assert main(words.split()) == 1
    assert expected in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_console_in_another_encoding_gets_utf_8(tmp_path):
    """Windows pipes in cp1252, which has no Vietnamese."""
    command, cp1252 = [sys.executable, "-m", "ganlib"], ALONE | {"PYTHONIOENCODING": "cp1252"}
    for words, pipe, status in (["train", "--help"], "stdout", 0), (["train", "cifar"], "stderr", 1):
        done = subprocess.run([*command, *words], env=cp1252, capture_output=True, cwd=tmp_path)
        assert done.returncode == status, done.stderr.decode("utf-8", "replace")
        assert re.search("siêu tham số|Không có bộ dữ liệu", getattr(done, pipe).decode("utf-8"))
