"""One run on several processes: `torchrun --nproc-per-node N -m ganlib train …` (gloo on CPUs, nccl on GPUs).

Every process holds both networks, draws the same random numbers, takes its share of the rows of every batch
and averages its gradients with the others' before each step (PyTorch's DistributedDataParallel): so all take
the same step, and the state that the first one writes is that of all. With one process nothing here acts.
"""

import os
import signal
import sys

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel


def begin():
    """Meet the other processes, if torchrun started this one; only the first speaks."""
    if not (distributed.is_available() and distributed.is_torchelastic_launched()):
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # torchrun's way to stop: as Ctrl-C
    if rank():
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")


def end():
    if size() > 1:
        distributed.destroy_process_group()


def size():
    """How many processes train this run."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank():
    """Which of them this is: 0 is the one that speaks, scores and writes."""
    return distributed.get_rank() if size() > 1 else 0


def command():
    """How this run was started."""
    if size() == 1:
        return ["python", "-m", "ganlib"]
    torchrun = ["torchrun", "--nproc-per-node", str(size()), "-m", "ganlib"]
    return [*torchrun, "--"]  # what follows is ours: else torchrun takes our --m for an option of its own


def split(state):
    """Let the State train on this process's share of each batch. Raises ValueError if there is none."""
    n, m = size(), state.settings.m
    if m < n:
        raise ValueError(f"m phải ít nhất bằng số tiến trình ({n}), để mỗi tiến trình có ảnh; đã nhận {m}.")
    if n > 1:
        state.share = slice(rank(), None, n)
        state.fast_D, state.fast_G = Shared(state.fast_D), Shared(state.fast_G)


def mean(values):
    """The mean of the tensor over all processes, the same on each."""
    if size() > 1:
        distributed.all_reduce(values.div_(size()))
    return values


class Shared(DistributedDataParallel):
    """A network whose gradients are averaged over the processes.

    Not where its input wants a gradient: then (D in G's half) it only passes one on, and keeps none to share.
    """

    def forward(self, x):
        compute = self.module if x.requires_grad else super().forward
        if not any(getattr(layer, "p", 0) for layer in self.module.modules()):  # of Dropout
            return compute(x)
        seed = int(torch.randint(2**60, ()))  # the same on every process; the masks must not be
        with torch.random.fork_rng([x.device] if x.device.type == "cuda" else []):
            torch.manual_seed(seed + rank())
            return compute(x)
