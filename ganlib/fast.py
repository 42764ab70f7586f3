"""What makes `train` faster or spreads it: switches, all off in Algorithm 1's own path, on in `train`.

bf16     the products of matrices in 16 bits, where the processor has instructions for it (torch.autocast)
fused    Adam in one call over all parameters
masks    Dropout's masks cut from random bytes, on a CPU
frozen   no gradient is computed for the weights of the network that rests: it would only be cleared
joined   in bf16, D sees the real and the fake batch in one pass
torchrun each process takes its rows of every batch; gradients are averaged before each step

`frozen` and `joined` are for ganlib's own updates: a reader's function runs as it stands. Notebook 10 times
each; tests hold each against the plain form.
"""

import os
import signal
import sys
from contextlib import contextmanager
from functools import partial

import torch
from torch import distributed, nn

from ganlib import algorithm

TRICKS = ("fused", "masks", "frozen", "joined")


def tricks(fast):
    """True: all; False: none; or some of them by name, as a tuple."""
    return TRICKS if fast is True else tuple(fast or ())


def has_bf16(device):
    """Whether the device has instructions for bf16: without them it is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    can = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


class Dropout(nn.Dropout):
    """nn.Dropout with masks from random bytes, eight to a draw: p is rounded to a multiple of 1/256."""

    def forward(self, x):
        cut = round(256 * self.p)
        if not self.training or x.device.type != "cpu" or not 0 < cut < 256:
            return super().forward(x)
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
        keep = words.view(torch.uint8)[: x.numel()].view(x.shape) >= cut
        return x * keep.to(x.dtype).mul_(256 / (256 - cut))


def fast_masks(network):
    """Every nn.Dropout in the network becomes the one above, in its place."""
    for parent in network.modules():
        for name, layer in parent.named_children():
            if type(layer) is nn.Dropout:
                setattr(parent, name, Dropout(layer.p))


@contextmanager
def frozen(network):
    """Inside, gradients pass through the network but none is computed for its weights."""
    weights = list(network.parameters())
    try:
        for weight in weights:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)


def joined_update_D(D, G, x, z, optimizer_D):
    """algorithm.update_D in fewer calls: equal to rounding, but for Dropout's masks."""
    optimizer_D.zero_grad()
    fake = G(z).detach()
    real_logit, fake_logit = D(torch.cat([x, fake])).chunk(2)
    loss = algorithm.loss_D(real_logit, fake_logit)
    loss.backward()
    optimizer_D.step()
    return loss.detach()


# --------------------------------------------------------------------------- several processes: torchrun


def begin():
    """Meet the other processes (gloo on CPUs, nccl on GPUs), if torchrun started this one."""
    if not (distributed.is_available() and distributed.is_torchelastic_launched()):
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # torchrun's way to stop: as Ctrl-C
    if rank():  # only the first speaks
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
    """How this run was started, as a list of words."""
    if size() == 1:
        return ["python", "-m", "ganlib"]
    # the last word: else torchrun takes our --m for an option of its own
    return ["torchrun", "--nproc-per-node", str(size()), "-m", "ganlib", "--"]


def share(D, G, optimizer_D, optimizer_G, m):
    """Let this process step with the gradients of all; returns the rows of a batch of m that are its own.

    All draw the same random numbers, so all hold the same networks. ValueError unless m divides evenly.
    """
    n = size()
    if m % n:
        raise ValueError(f"m phải chia hết cho số tiến trình ({n}), để các phần bằng nhau; đã nhận {m}.")
    if n > 1:
        optimizer_D.register_step_pre_hook(partial(average_gradients, D))
        optimizer_G.register_step_pre_hook(partial(average_gradients, G))
        if any(getattr(layer, "p", 0) for layer in D.modules()):
            own_masks(D)
    return slice(rank(), None, n)


def average_gradients(network, *_):
    gradients = [weight.grad for weight in network.parameters()]
    mean = shared_mean(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def shared_mean(values):
    """The mean of the tensor over all processes, the same on each."""
    if size() > 1:
        distributed.all_reduce(values.div_(size()))
    return values


def own_masks(D):
    """Each process draws masks of its own for its rows; what is drawn besides stays the same on all."""
    outer = []

    def before(_, given):
        seed = int(torch.randint(2**60, ()))
        outer.append(torch.random.fork_rng([given[0].device] if given[0].is_cuda else []))
        outer[-1].__enter__()
        torch.manual_seed(seed + rank())

    def after(*_):  # returns None: D's answer stays
        outer.pop().__exit__(None, None, None)

    D.register_forward_pre_hook(before)
    D.register_forward_hook(after)
