"""What readers bring: images of any kind, networks with BatchNorm, frozen layers, losses of their own."""

import copy

import numpy as np
import pytest
import torch
from conftest import random_images, same, weights
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.data import DataLoader, TensorDataset

from ganlib import algorithm, own
from ganlib.networks import Discriminator, Generator
from ganlib.training import answers, start, steps, train

RANDOM = torch.Generator().manual_seed(0)
PIXELS = torch.randint(0, 256, (120, 28, 28), dtype=torch.uint8, generator=RANDOM)
SMALL = {"hidden_G": (16,), "hidden_D": (16,), "m": 10, "device": "cpu", "precision": "fp32"}


# A bias before BatchNorm has a gradient of rounding errors alone, which Adam would blow up: so there is none.
def own_G(latent_dim=100, shape=(1, 28, 28)):
    n = int(np.prod(shape))
    return nn.Sequential(
        nn.Linear(latent_dim, n, bias=False), nn.BatchNorm1d(n), nn.Tanh(), nn.Unflatten(1, shape)
    )


def own_D(shape=(1, 28, 28), norm=nn.BatchNorm1d):
    n = int(np.prod(shape))
    layers = nn.Linear(n, 16, bias=False), norm(16), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(16, 1)
    return nn.Sequential(nn.Flatten(), *layers)


def last(epochs):
    return list(epochs)[-1]


# ------------------------------------------------------------------------------------------------ images


def test_images_of_every_usual_kind_are_the_same_images():
    x = random_images(120).batch(torch.arange(120))
    grey = own.tensor_of(PIXELS)
    assert grey.shape == (120, 1, 28, 28) and grey.dtype == torch.uint8
    for given in (PIXELS[:, None], PIXELS.numpy(), PIXELS[..., None].numpy()):
        assert torch.equal(own.tensor_of(given), grey)
    for given in (
        x.double(),
        x.numpy(),
        x[:, 0],
        TensorDataset(x, torch.zeros(120)),
        DataLoader(TensorDataset(x)),
    ):
        made = own.tensor_of(given)
        assert made.dtype == torch.float32 and torch.equal(made, x)
    assert torch.allclose(own.tensor_of(x.half()), x, atol=1e-3)
    colour = own.tensor_of(np.zeros((5, 32, 20, 3), np.uint8))
    assert colour.shape == (5, 3, 32, 20)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.rand(120, 1, 28, 28), r"\[-1, 1\].*từ .* đến .*Normalize\(\(0.5,\), \(0.5,\)\)"),
        (PIXELS.float(), r"\[-1, 1\].*255.*uint8"),
        (torch.full((120, 1, 28, 28), torch.nan), "94080 giá trị NaN"),
        (["a.png", "b.png"], "mỗi phần tử là tensor ảnh cùng kích thước"),
        (TensorDataset(torch.zeros(0, 1, 28, 28)), "cùng kích thước"),
        (3, "images phải là"),
        (PIXELS[:5], r"k·m = 10 ảnh.*chỉ có 5"),
        (torch.zeros(120, 1, 32, 32) - 1, r"D cần ảnh.*\(2, 1, 32, 32\).*viết D"),
    ],
)
def test_images_that_would_train_wrongly_are_told_before_any_work(images, words):
    with pytest.raises((ValueError, TypeError), match=words):
        train(images, 1, **SMALL)


def test_colour_and_other_sizes_train_with_own_networks():
    x, shape = torch.rand(40, 3, 16, 20, generator=RANDOM) * 2 - 1, (3, 16, 20)
    epoch = last(train(x, 2, G=own_G(8, shape), D=own_D(shape), latent_dim=8, m=10, device="cpu"))
    assert epoch.images.shape == (36, 3, 16, 20) == epoch.frames[-1].images.shape


def test_an_object_of_your_own_is_asked_for_its_batches():
    """A conditional GAN: x is a pair, which only the reader's update_D knows how to use."""

    class Pairs:
        def __len__(self):
            return 40

        def batch(self, indices):
            asked.append(indices)
            return torch.zeros(len(indices), 1, 28, 28), indices

    def update_D(D, G, x, z, optimizer_D):
        images, labels = x
        assert labels.shape == (10,)
        return algorithm.update_D(D, G, images, z, optimizer_D)

    asked = []
    epoch = last(train(Pairs(), 1, update_D=update_D, **SMALL))
    assert len(torch.cat(asked[-4:]).unique()) == 40 and np.isnan(epoch.D_x)


# ---------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, lambda n: spectral_norm(nn.Linear(n, n)), nn.LayerNorm])
def test_own_networks_train_as_in_the_plain_loop(norm):
    """Defect: BatchNorm saw real and fake in one batch, and a frozen layer was thawed."""
    torch.manual_seed(0)
    G, D, images = own_G(), own_D(norm=norm), random_images(120)
    D[1].weight.requires_grad_(False)
    frozen = D[1].weight.clone()
    fast, plain = (
        start("cpu", "fp32", f, G=copy.deepcopy(G), D=copy.deepcopy(D), m=10) for f in (True, False)
    )
    for _ in zip(range(5), steps(fast, images), steps(plain, images), strict=False):
        pass
    for a, b in ((fast.G, plain.G), (fast.D, plain.D), (fast.G_avg, plain.G_avg)):
        for ours, theirs in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    assert torch.equal(fast.D[1].weight, frozen) and not fast.D[1].weight.requires_grad
    assert [type(layer) for layer in fast.D] == [type(layer) for layer in D]  # none is replaced


def test_the_average_has_G_s_statistics_and_looking_leaves_them_alone():
    state, images = (
        start("cpu", G=own_G(), **{k: v for k, v in SMALL.items() if k != "device"}),
        random_images(120),
    )
    list(train(images, 1, state=state))
    assert (
        state.G[1].num_batches_tracked == state.G_avg[1].num_batches_tracked == 24
    )  # 12 of D's half, 12 of G's
    before = [b.clone() for b in state.G.buffers()]
    answers(state.D, state.G, images.batch(torch.arange(5)), state.noise(5))
    state.draw()
    assert same(before, list(state.G.buffers())) and state.G.training and state.G_avg.training


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        ({"G": Generator}, r"G phải là một mạng đã tạo, ví dụ G=MyNetwork\(\)"),
        (
            {"G": nn.Sequential(nn.Linear(64, 784), nn.Unflatten(1, (1, 28, 28)))},
            r"G không nhận \(2, 100\).*latent_dim",
        ),
        ({"G": nn.Sequential(nn.Linear(100, 784))}, r"G vẽ ảnh \(784,\) mà ảnh thật là \(1, 28, 28\)"),
        ({"D": nn.Sequential(nn.Linear(784, 1))}, r"D không nhận \(2, 1, 28, 28\)"),
        ({"D": nn.Sequential(nn.Flatten(), nn.Linear(784, 2))}, r"một logit; với hai ảnh đã trả về \(2, 2\)"),
    ],
)
def test_networks_that_do_not_fit_are_told_before_any_work(networks, words):
    with pytest.raises((ValueError, TypeError), match=words):
        train(random_images(120), 1, **SMALL, **networks)


def test_the_length_of_z_is_the_reader_s_G_s():
    assert start(G=Generator(7, (8,))).noise(3).shape == (3, 7)


# ---------------------------------------------------------------------------------------------- updates


@pytest.mark.parametrize(
    ("returned", "words"),
    [(torch.ones(10), r"tensor \(10,\)"), (0.5, "đã trả về 0.5"), (None, "đã trả về None")],
)
def test_what_an_update_must_return(returned, words):
    for name in ("update_D", "update_G"):
        with pytest.raises(TypeError, match=f"{name} phải trả về loss.detach.*{words}"):
            list(train(random_images(120), 1, **{name: lambda *_: returned}, **SMALL))


def test_minimax_with_the_reader_s_update_G():
    def with_loss(D, G, z, optimizer_G, my_loss):
        return algorithm.update_G(D, G, z, optimizer_G, my_loss)

    def without(D, G, z, optimizer_G):
        return algorithm.update_G(D, G, z, optimizer_G)

    images = random_images(120)
    mine, ours = (
        last(train(images, 1, loss="minimax", **own, **SMALL)) for own in ({"update_G": with_loss}, {})
    )
    assert mine.loss_G == ours.loss_G < 0 and same(weights(mine.state), weights(ours.state))
    with pytest.raises(TypeError, match="'minimax'.*đối số thứ năm.*bỏ loss="):
        train(images, 1, update_G=without, loss="minimax", **SMALL)
    assert last(train(images, 1, update_G=without, **SMALL)).loss_G > 0


def test_D_s_own_Dropout_is_replaced_in_ganlib_s_own_D_alone():
    mine = start(D=Discriminator((8,)))
    assert [type(layer) for layer in mine.D.layers if isinstance(layer, nn.Dropout)] == [nn.Dropout]
