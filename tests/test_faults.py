"""Nothing lost, nothing let in: processes killed, disks full, bytes flipped, mirrors that lie.

A plain run kills twice; `pytest -m slow` kills 20 times, and spoils the larger files 500 times too.
"""

import json
import lzma
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from ganlib import data, files, record, scores
from ganlib.__main__ import main
from ganlib.record import Record, RecordError, resume_path, run

ROOT = Path(__file__).resolve().parent.parent
FEW = "--first 1000 --m 20 --hidden-G 8 --hidden-D 8 --precision fp32 --device cpu --score-every 0".split()
ENVIRONMENT = os.environ | {"GANLIB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
MANY = pytest.mark.slow


def words(out, epochs, resume=False):
    return ["train", "mnist", "--epochs", str(epochs), "--out", str(out), *FEW] + ["--resume"] * resume


def begin(arguments, run=("-m", "ganlib")):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    return subprocess.Popen([sys.executable, *run, *arguments], **pipes)


def bits(path):
    """All that a record holds but the seconds, ready to compare."""
    kept = Record.load(path)
    tensors = [getattr(kept, name) for name in record.PER_EPOCH if name != "seconds"]
    return b"".join(t.contiguous().numpy().tobytes() for t in tensors + list(kept.weights.values()))


# -------------------------------------------------------------------------------------- interrupted runs


@pytest.mark.parametrize(
    ("kills", "epochs"), [(2, 12), pytest.param(20, 60, marks=MANY)], ids=["2 kills", "20 kills"]
)
def test_killed_at_random_moments_a_run_ends_as_if_it_had_not_been(tmp_path, kills, epochs, capsys):
    """kill -9 and Ctrl-C by turns, from the start of the process; what was reached is there after each."""
    whole, out, chance = tmp_path / "whole.safetensors", tmp_path / "out.safetensors", random.Random(kills)
    assert main(words(whole, epochs)) == 0
    done = reached = missed = 0
    while done < kills:
        process = begin(words(out, epochs, resume=resume_path(out).exists()))
        if done % 5 != 4:  # each fifth falls into the start
            process.stdout.readline(), process.stdout.readline(), process.stdout.readline()
        time.sleep(chance.uniform(0, 0.3))
        how = (signal.SIGKILL, signal.SIGINT)[done % 2]
        process.send_signal(how)
        said = process.communicate(timeout=60)[1]
        if out.exists():  # done before the blow fell: that one does not count
            assert bits(out) == bits(whole)
            out.unlink(), resume_path(out).unlink(missing_ok=True)
            reached, missed = 0, missed + 1
            assert missed <= kills, f"{how.name} stops nothing"
            continue
        done += 1
        if how == signal.SIGINT and process.returncode == 1:
            assert "--resume" in said or "Chưa xong epoch nào" in said or "Đã dừng" in said
        if resume_path(out).exists():
            tensors = record._read(resume_path(out), "resume")[1]
            before, reached = reached, len(tensors[".history.loss_D"])
            assert reached >= before
    if not out.exists():
        assert main(words(out, epochs, resume=resume_path(out).exists())) == 0
    assert bits(out) == bits(whole)
    assert not resume_path(out).exists()


def test_a_full_disk_stops_the_run_and_keeps_what_was_reached(tmp_path, capsys):
    """The limit on a file's size fails a write just as a full disk does: with an OSError halfway."""
    whole, out, epochs = tmp_path / "whole.safetensors", tmp_path / "out.safetensors", 6
    assert main(words(whole, epochs)) == 0
    next(run_few(tmp_path / "size"))
    limit = resume_path(tmp_path / "size").stat().st_size + 2 * 36 * 784  # room for two more epochs
    code = (
        "import resource, sys\nfrom ganlib import __main__, data\n"
        "images = data.load('mnist')\ndata.load = lambda name: images\n"  # the sample is unpacked before
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "sys.exit(__main__.main(sys.argv[1:]))"
    )
    full = begin(words(out, epochs), run=["-c", code])
    said = full.communicate(timeout=60)[1]
    assert full.returncode == 1 and "Không ghi được tệp" in said and "--resume" in said
    assert "Traceback" not in said and not list(tmp_path.glob("*.part")) and not out.exists()
    assert main(words(out, epochs, resume=True)) == 0
    assert bits(out) == bits(whole)


def test_what_a_killed_process_left_is_cleared(tmp_path):
    """Its part of a file, an hour later; not that of a process that may still be writing."""
    old, new, other = (
        tmp_path / f"[run].{name}.part" for name in ("safetensors.1", "safetensors.2", "npy.1")
    )
    for part in (old, new, other):
        part.write_bytes(b"half")
    for part in (old, other):
        os.utime(part, (time.time() - 3700,) * 2)
    files.write(tmp_path / "[run].safetensors", b"whole")
    assert not old.exists() and new.exists() and other.exists()


def run_few(path, epochs=6, **options):
    """The run of `words`, as a training cell would start it."""
    images = data.load("mnist")
    few = data.Images(images.name, images.pixels[:1000], images.labels[:1000], images.source, "")
    small = {"m": 20, "hidden_G": (8,), "hidden_D": (8,), "precision": "fp32", "device": "cpu"}
    return run(few, path, epochs, **small | options)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["restart", "interrupt"])
def test_a_training_cell_goes_on_after_its_kernel_restarted(tmp_path, how):
    from jupyter_client.manager import start_new_kernel

    whole, out = tmp_path / "whole.safetensors", tmp_path / "của tôi.safetensors"
    assert main(words(whole, 12)) == 0
    cell = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})\nfrom test_faults import run_few\n"
        f"for epoch in run_few({str(out)!r}, 12, resume={{}}):\n    print(epoch, flush=True)\n"
    )
    manager, client = start_new_kernel(env=ENVIRONMENT)
    try:
        client.execute(cell.format(False), stop_on_error=False)  # what is asked while it ends is not dropped
        until = time.monotonic() + 60
        while not resume_path(out).exists() and time.monotonic() < until:
            time.sleep(0.01)
        if how == "restart":
            manager.restart_kernel(now=True)
            client.wait_for_ready(timeout=60)
        else:
            manager.interrupt_kernel()
        assert not out.exists() and resume_path(out).exists()
        reply = client.execute_interactive(cell.format(True), timeout=60, output_hook=lambda _: None)
        assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert bits(out) == bits(whole)


# ------------------------------------------------------------------------------- flipped and cut-off files


def spoil(content, chance):
    """The content with one bit or byte changed, or cut off somewhere; headers are hit as often as bodies."""
    place = chance.randrange(chance.choice([len(content), min(len(content), 4096)]))
    if chance.random() < 0.25:
        return content[:place]
    change = chance.choice([1 << chance.randrange(8), chance.randrange(1, 256)])
    return content[:place] + bytes([content[place] ^ change]) + content[place + 1 :]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flips")
    list(run_few(folder / "run", 2, score=lambda state: {"parzen": 1.0}))
    next(run_few(folder / "half", 2))
    return folder


@pytest.mark.parametrize("trials", [500])
def test_a_spoilt_record_is_refused_or_read_unharmed(finished, tmp_path, trials):
    content, true, chance = (finished / "run").read_bytes(), bits(finished / "run"), random.Random(trials)
    about = {name: getattr(Record.load(finished / "run"), name) for name in record.ABOUT}
    refused = 0
    for _ in range(trials):
        (tmp_path / "a").write_bytes(spoil(content, chance))
        try:
            kept = Record.load(tmp_path / "a")
        except RecordError as error:
            refused += str(error).startswith("Không đọc được") and "Hãy" in str(error)
        else:
            assert bits(tmp_path / "a") == true and about == {n: getattr(kept, n) for n in record.ABOUT}
            refused += 1
    assert refused == trials


@pytest.mark.parametrize("trials", [500])
def test_a_spoilt_unfinished_run_is_refused_or_goes_on_unharmed(finished, tmp_path, trials):
    content, chance = resume_path(finished / "half").read_bytes(), random.Random(trials)
    whole = record._read(resume_path(finished / "half"), "resume")[1]
    for _ in range(trials):
        resume_path(tmp_path / "a").write_bytes(spoil(content, chance))
        try:
            tensors = record._read(resume_path(tmp_path / "a"), "resume")[1]
        except RecordError as error:
            assert str(error).startswith("Không đọc được")
        else:
            assert all(torch.equal(tensors[n].nan_to_num(-1), whole[n].nan_to_num(-1)) for n in whole)


@pytest.mark.parametrize("trials", [100, pytest.param(500, marks=MANY)])
def test_spoilt_classifiers_are_refused_or_read_unharmed(tmp_path, trials):
    content, chance = scores.CLASSIFIERS.read_bytes(), random.Random(trials)
    true = scores.load_classifier("mnist")
    for _ in range(trials):
        (tmp_path / "a").write_bytes(spoil(content, chance))
        try:
            read = scores.load_classifier("mnist", tmp_path / "a")
        except data.DataError as error:
            assert "Không đọc được bộ phân lớp" in str(error)
        else:
            same = [torch.equal(a, b) for a, b in zip(read.parameters(), true.parameters(), strict=True)]
            assert all(same) and read.accuracy == true.accuracy


@pytest.mark.parametrize("trials", [25, pytest.param(500, marks=MANY)])
def test_spoilt_data_files_are_refused_or_read_unharmed(tmp_path, monkeypatch, trials):
    """The small test split, packed as the sample and raw as in a cache; and the list of checksums itself."""
    chance, assets = random.Random(trials), tmp_path / "assets"
    shutil.copytree(data.ASSETS / "sample", assets / "sample")
    shutil.copy(data.ASSETS / "sample" / "SHA256SUMS", assets)
    raw = tmp_path / "raw" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in (assets / "sample" / "MNIST" / "raw").iterdir():
        (raw / packed.stem).write_bytes(lzma.decompress(packed.read_bytes()))
    true = data.KINDS["mnist"](tmp_path / "raw", train=False)
    monkeypatch.setattr(data, "ASSETS", assets)
    monkeypatch.setattr(data, "SIZES", {path.name: path.stat().st_size for path in raw.iterdir()})
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "raw"))
    assert data.load("mnist").source == "GANLIB_DATA"
    labels = [path for path in raw.iterdir() if "labels" in path.name]
    for trial in range(trials):
        path = chance.choice(list(raw.iterdir()) if trial % 5 == 0 else [*labels, assets / "SHA256SUMS"])
        content = path.read_bytes()
        path.write_bytes(spoil(content, chance))
        try:
            images = data.load("mnist", train=False)
        except data.DataError as error:
            assert "không dùng được" in str(error)
        else:
            assert torch.equal(images.pixels, true.data) and torch.equal(images.labels, true.targets)
        path.write_bytes(content)


def test_a_damaged_sample_is_refused(tmp_path, monkeypatch):
    chance, assets = random.Random(0), tmp_path / "assets"
    shutil.copytree(data.ASSETS / "sample", assets / "sample")
    monkeypatch.setattr(data, "ASSETS", assets)
    monkeypatch.setitem(data._failures, "mnist", "không hỏi mạng")
    for path in (assets / "sample" / "MNIST" / "raw").glob("*labels*"):
        content = path.read_bytes()
        for _ in range(3):
            path.write_bytes(spoil(content, chance))
            with pytest.raises(data.DataError, match="bộ mẫu đi kèm"):
                data._open_sample("mnist", True, None)
        path.write_bytes(content)


def test_the_shipped_files_are_sealed():
    for path in (scores.CLASSIFIERS, *(data.ASSETS / f"{name}.safetensors" for name in data.NAMES)):
        content = path.read_bytes()
        assert files.MARK in content[:100_000] and files.intact(content)
        assert not files.intact(content[:-1] + bytes([content[-1] ^ 1]))


def test_nothing_in_a_file_is_executed(tmp_path):
    """A pickle, the way into other loaders, is not even opened as one."""

    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    torch.save(Bomb(), tmp_path / "a")
    resume_path(tmp_path / "b").write_bytes((tmp_path / "a").read_bytes())
    with pytest.raises(RecordError):
        Record.load(tmp_path / "a")
    with pytest.raises(RecordError):
        run_few(tmp_path / "b", resume=True)
    with pytest.raises(data.DataError):
        scores.load_classifier("mnist", tmp_path / "a")
    assert not (tmp_path / "executed").exists()
    code = [path.read_text(encoding="utf-8") for path in (ROOT / "ganlib").glob("*.py")]
    assert not [word for word in ("torch.load", "pickle.load", "eval(", "exec(") for text in code
                if word in text.replace(".eval(", "")]  # fmt: skip


def test_a_seal_holds_every_byte():
    content = files.seal(save({"x": torch.arange(9)}, {"a": "é", "seal": files.SEAL}))
    assert files.intact(content) and load(content)["x"].tolist() == list(range(9))
    zeros = content.index(files.MARK)
    for place in range(len(content)):
        changed = content[:place] + bytes([content[place] ^ 32]) + content[place + 1 :]
        inside = zeros <= place < zeros + len(files.MARK)  # no seal is there to be seen then
        assert files.intact(changed) == inside
    assert json.loads(content[8 : 8 + content[0]])  # the header is still JSON
