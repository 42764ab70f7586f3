"""What takes minutes: does the fast precision train as well as the exact one, on real digits?"""

import pytest
import torch

from ganlib import data, scores
from ganlib.algorithm import train


@pytest.mark.slow
def test_bf16_is_as_good_as_fp32_within_the_spread_over_seeds(tmp_path, monkeypatch):
    monkeypatch.delenv("GANLIB_DATA", raising=False)
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path)  # the shipped sample: 10,000 digits
    images = data.load("mnist")
    validation, test, _ = scores.held_out("mnist")
    z = torch.randn(2_000, 100, generator=torch.Generator().manual_seed(0))

    def run(precision, seed):
        *_, last = train(images, 15, device="cpu", precision=precision, seed=seed)
        with torch.no_grad():
            samples = (last.state.sampler()(z) + 1) / 2
        likelihood = scores.parzen(samples, test, validation).mean
        return [last.loss_D, last.loss_G, last.D_x, last.D_Gz, likelihood]

    exact, fast = (
        torch.tensor([run(precision, seed) for seed in range(3)]) for precision in ("fp32", "bf16")
    )
    print(f"\nloss_D, loss_G, D(x), D(G(z)), Parzen\nfp32 {exact.tolist()}\nbf16 {fast.tolist()}")
    spread = torch.maximum(exact.std(0), fast.std(0))
    assert ((exact.mean(0) - fast.mean(0)).abs() <= 2.5 * spread).all()
    assert exact[:, 4].min() > 0  # they have learnt: an untrained G is below −200 nats
