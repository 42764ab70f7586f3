"""torchrun: two processes train the run that one would; one killed ends both, and what was reached stays.

`both` starts them with PyTorch's own launcher; each leaves the weights it ended with.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ganlib import algorithm, parallel
from ganlib.__main__ import main
from ganlib.algorithm import start
from ganlib.record import Record, resume_path

TESTS = Path(__file__).resolve().parent
ENVIRONMENT = os.environ | {"GANLIB_OFFLINE": "1", "PYTHONPATH": str(TESTS.parent), "OMP_NUM_THREADS": "1"}
TINY = "--first 1000 --m 20 --hidden-G 16 --hidden-D 16 --device cpu --score-every 0".split()


def both(arguments, leave="", wait=True):
    """Two processes of `python -m ganlib` with these arguments: (exit status, what they said)."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(Path(__file__)), "--", str(leave), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": ENVIRONMENT}
    process = subprocess.Popen(command, **pipes)
    return (process.communicate(timeout=120)[0], process.returncode) if wait else process


def one_of_both(leave, arguments):
    """What each process runs: the command line, and it leaves its weights behind."""
    states, train = [], algorithm.train

    def watched(*args, **options):
        for epoch in train(*args, **options):
            states[:] = [epoch.state]
            yield epoch

    algorithm.train = watched
    rank = os.environ["RANK"]
    status = main(arguments)
    if leave:
        parts = {"G": states[0].G, "D": states[0].D, "G_avg": states[0].G_avg}
        save_file({f"{p}.{n}": w for p in parts for n, w in parts[p].state_dict().items()}, f"{leave}{rank}")
    return status


def words(out, epochs, *more):
    return ["train", "mnist", "--epochs", str(epochs), "--out", str(out), *TINY, *more]


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_two_processes_train_the_run_of_one(tmp_path, precision):
    """Without Dropout (whose masks are drawn by share) to rounding; the weights of both are the same bits."""
    more = ["--dropout", "0", "--precision", precision]
    said, status = both(words(tmp_path / "two", 3, *more), leave=tmp_path / "weights")
    assert status == 0 and said.count("epoch 3/3") == 1 and said.count("Đã ghi") == 1, said
    first, second = (load_file(tmp_path / f"weights{rank}") for rank in "01")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert main(words(tmp_path / "one", 3, *more)) == 0
    one, two = Record.load(tmp_path / "one"), Record.load(tmp_path / "two")
    close = 1e-4 if precision == "fp32" else 0.02
    for name in ("loss_D", "loss_G", "D_x", "D_Gz"):
        assert torch.allclose(getattr(one, name), getattr(two, name), atol=close, rtol=0), name
    assert not resume_path(tmp_path / "two").exists()


@pytest.mark.slow
def test_with_dropout_the_curves_lie_within_the_spread_over_seeds(tmp_path):
    """The losses of two processes, against those of one process under eight seeds."""
    said, status = both(words(tmp_path / "two", 5, "--precision", "fp32"))
    assert status == 0, said
    for seed in range(8):
        assert main(words(tmp_path / f"one{seed}", 5, "--precision", "fp32", "--seed", str(seed))) == 0
    for name in ("loss_D", "loss_G"):
        seeds = torch.stack([getattr(Record.load(tmp_path / f"one{seed}"), name) for seed in range(8)])
        away = (getattr(Record.load(tmp_path / "two"), name) - seeds.mean(0)).abs() / seeds.std(0)
        print(name, "in standard deviations over seeds:", [round(float(x), 2) for x in away])
        assert away.max() < 3


@pytest.mark.slow
def test_a_killed_process_ends_the_run_and_what_was_reached_goes_on(tmp_path):
    out = tmp_path / "two"
    process = both(words(out, 30, "--precision", "fp32"), wait=False)
    until = time.monotonic() + 60
    while not resume_path(out).exists() and time.monotonic() < until:
        time.sleep(0.05)
    workers = [
        int(line) for line in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]
    os.kill(workers[-1], signal.SIGKILL)
    said = process.communicate(timeout=60)[0]
    assert process.returncode != 0 and not out.exists()
    assert "Chưa xong; phần đã huấn luyện ở trong" in said and "torchrun --nproc-per-node 2" in said, said
    assert main([*words(out, 30, "--precision", "fp32"), "--resume"]) == 0  # one process goes on with it
    assert Record.load(out).loss_D.isfinite().all()


def test_one_process_is_left_as_it_was():
    state = start("cpu", "fp32", hidden_G=(8,), hidden_D=(8,))
    before = state.fast_D, state.fast_G, state.share
    parallel.begin(), parallel.split(state), parallel.end()
    assert (state.fast_D, state.fast_G, state.share) == before == (state.D, state.G, slice(None))
    assert (parallel.rank(), parallel.size(), parallel.command()) == (0, 1, ["python", "-m", "ganlib"])
    assert parallel.mean(torch.ones(2)).tolist() == [1, 1]


def test_a_batch_smaller_than_the_processes_is_refused(monkeypatch):
    monkeypatch.setattr(parallel, "size", lambda: 8)
    with pytest.raises(ValueError, match=r"m phải ít nhất bằng số tiến trình \(8\)"):
        parallel.split(start("cpu", "fp32", hidden_G=(8,), hidden_D=(8,), m=7))


if __name__ == "__main__":
    sys.exit(one_of_both(sys.argv[1], sys.argv[2:]))
