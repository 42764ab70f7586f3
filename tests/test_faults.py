"""Nothing lost, nothing let in: processes killed, disks full, bytes flipped, files with something to run."""

import io
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from conftest import ALONE, HANGS, spoilt, wait_until
from jupyter_client.manager import start_new_kernel

from ganlib import data, features, files, record, scores
from ganlib.__main__ import main
from ganlib.record import RecordError, resume_path

FEW = "--first 1000 --m 20 --hidden-G 8 --hidden-D 8 --precision fp32 --device cpu --score-every 0".split()


def words(out, epochs, resume=False):
    return ["train", "mnist", "--epochs", str(epochs), "--out", str(out), *FEW] + ["--resume"] * resume


def begin(*arguments):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-u", *arguments], env=ALONE, **pipes)


@cache
def thousand():
    images = data.load("mnist")
    return replace(images, pixels=images.pixels[:1000], labels=images.labels[:1000])


def run_few(path, epochs=6, **options):
    """The run of `words`, as a training cell would start it."""
    small = {"m": 20, "hidden_G": (8,), "hidden_D": (8,), "precision": "fp32", "device": "cpu"}
    return record.train_and_record(thousand(), path, epochs, **small | options)


def bits(path):
    """All that a record holds but the seconds, ready to compare."""
    kept = record.load(path)
    tensors = [getattr(kept, name) for name in record.PER_EPOCH if name != "seconds"]
    return b"".join(t.contiguous().numpy().tobytes() for t in tensors + list(kept.weights.values()))


def reached(out):
    """How many epochs the unfinished run holds."""
    content = resume_path(out).read_bytes()
    assert files.intact(content)
    saved = torch.load(io.BytesIO(content[len(files.SEAL) :]), weights_only=True)
    assert len(saved["history"]["loss_D"]) == saved["state"]["epoch"]
    return saved["state"]["epoch"]


@pytest.mark.slow
def test_killed_at_random_moments_a_run_ends_as_if_it_had_not_been(tmp_path, kills=10, epochs=40):
    """kill -9 and Ctrl-C by turns: at most the epoch under way is lost, and the end has the same bits."""
    whole, out, chance = tmp_path / "whole", tmp_path / "out", random.Random(kills)
    assert main(words(whole, epochs)) == 0
    done = missed = 0
    while done < kills:
        process = begin("-m", "ganlib", *words(out, epochs, resume=resume_path(out).exists()))
        if done % 5 != 4:  # each fifth falls into the start
            process.stdout.readline(), process.stdout.readline()
        time.sleep(chance.uniform(0, 0.2))
        process.send_signal((signal.SIGKILL, signal.SIGINT)[done % 2])
        told, said = process.communicate(timeout=HANGS)
        if out.exists():  # done before the blow fell: that one does not count
            assert bits(out) == bits(whole)
            out.unlink()
            missed += 1
            assert missed < 10 * kills, "the signals stop nothing"
            continue
        done += 1
        assert process.returncode in (-signal.SIGKILL, -signal.SIGINT, 1)
        if process.returncode == 1:
            assert "--resume" in said or "Chưa xong epoch nào" in said or "Đã dừng" in said, said
        for last in re.findall(r"epoch (\d+)/", told)[-1:]:
            assert reached(out) >= int(last)
    assert main(words(out, epochs, resume=resume_path(out).exists())) == 0
    assert bits(out) == bits(whole) and not resume_path(out).exists()


def test_a_full_disk_stops_the_run_and_keeps_what_was_reached(tmp_path):
    """The limit on a file's size fails a write just as a full disk does: with an OSError halfway."""
    whole, out, epochs = tmp_path / "whole", tmp_path / "out", 6
    assert main(words(whole, epochs)) == 0
    next(run_few(tmp_path / "size"))
    limit = resume_path(tmp_path / "size").stat().st_size + 2 * 36 * 784  # room for two more epochs
    code = (
        "import resource, sys\nfrom ganlib import __main__, data\n"
        "images = data.load('mnist')\ndata.load = lambda name: images\n"  # the sample is unpacked before
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "sys.exit(__main__.main(sys.argv[1:]))"
    )
    full = begin("-c", code, *words(out, epochs))
    said = full.communicate(timeout=HANGS)[1]
    assert full.returncode == 1 and "Không ghi được tệp" in said and "--resume" in said
    assert "Traceback" not in said and not list(tmp_path.glob("*.part")) and not out.exists()
    assert 1 < reached(out) < epochs and main(words(out, epochs, resume=True)) == 0
    assert bits(out) == bits(whole)


@pytest.mark.slow
def test_a_training_cell_goes_on_after_its_kernel_restarted(tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "của tôi"
    assert main(words(whole, 12)) == 0
    cell = "from test_faults import run_few\nfor epoch in run_few({!r}, 12, resume={}): print(epoch)"
    manager, client = start_new_kernel(env=ALONE)
    try:
        client.execute(cell.format(str(out), False))
        wait_until(resume_path(out).exists)
        manager.restart_kernel(now=True)
        client.wait_for_ready(timeout=HANGS)
        assert not out.exists() and resume_path(out).exists()
        again = cell.format(str(out), True)
        reply = client.execute_interactive(again, timeout=HANGS, output_hook=lambda _: None)
        assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert bits(out) == bits(whole)


def test_two_processes_that_write_one_file_leave_one_whole_file(tmp_path):
    code = (
        "import sys\nfrom ganlib import files\ncontent = sys.argv[1].encode() * 300_000\n"
        "for _ in range(30):\n    files.write(sys.argv[2], content)\n"
    )
    path, whole = tmp_path / "a", {letter.encode() * 300_000 for letter in "xy"}
    writers, seen = [begin("-c", code, letter, str(path)) for letter in "xy"], set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            seen.add(path.read_bytes())
    assert [writer.wait() for writer in writers] == [0, 0]
    seen.add(path.read_bytes())
    assert seen <= whole and os.listdir(tmp_path) == ["a"]


def test_any_byte_changed_or_cut_off_is_refused_with_a_sentence(tmp_path):
    """Of a record, of an unfinished run, of the classifiers."""
    list(run_few(tmp_path / "run", 2, score=lambda state: {"parzen": 1.0}))
    next(run_few(tmp_path / "half", 2))
    place = tmp_path / "a"
    readers = {
        tmp_path / "run": (place, lambda: record.load(place)),
        resume_path(tmp_path / "half"): (resume_path(place), lambda: run_few(place, 2, resume=True)),
        features.CLASSIFIERS: (place, lambda: scores.load_classifier("mnist", place)),
    }
    for original, (copy, read) in readers.items():
        content, chance = original.read_bytes(), random.Random(0)
        for _ in range(200):
            copy.write_bytes(spoilt(content, chance))
            with pytest.raises((RecordError, data.DataError), match="^Không đọc được .*Hãy"):
                read()
        copy.write_bytes(content)
        read()
        copy.unlink()


@pytest.mark.parametrize("sealed", [False, True])
def test_nothing_in_a_file_is_executed(tmp_path, sealed):
    """A pickle that would run what it names: bare, and in the place where an unfinished run keeps its own."""

    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    bomb = io.BytesIO()
    torch.save({"run": Bomb(), "state": {}, "history": {}}, bomb)
    content = files.seal(files.SEAL.encode() + bomb.getvalue()) if sealed else bomb.getvalue()
    (tmp_path / "a").write_bytes(content)
    resume_path(tmp_path / "b").write_bytes(content)
    for read in (
        lambda: record.load(tmp_path / "a"),
        lambda: run_few(tmp_path / "b", resume=True),
        lambda: scores.load_classifier("mnist", tmp_path / "a"),
    ):
        with pytest.raises((RecordError, data.DataError), match="^Không đọc được"):
            read()
    assert not (tmp_path / "executed").exists()
    torch.load(io.BytesIO(bomb.getvalue()), weights_only=False)
    assert (tmp_path / "executed").exists()  # the bomb is a live one
