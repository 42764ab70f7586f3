"""What readers bring: images of any kind, networks with BatchNorm, frozen layers, losses, settings of their own."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from conftest import last, random_images, same, weights
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset

from ganlib import algorithm, own
from ganlib.networks import Discriminator, Generator
from ganlib.training import answers, start, steps, train

IMAGES = random_images(120)
PIXELS = IMAGES.pixels
SMALL = {"hidden_G": (16,), "hidden_D": (16,), "m": 10, "device": "cpu", "precision": "fp32"}


# A bias before BatchNorm has a gradient of rounding errors alone, which Adam would blow up: so there is none.
def own_G(latent_dim=100, shape=(1, 28, 28)):
    n = int(np.prod(shape))
    layers = nn.Linear(latent_dim, n, bias=False), nn.BatchNorm1d(n), nn.Tanh(), nn.Unflatten(1, shape)
    return nn.Sequential(*layers)


def own_D(shape=(1, 28, 28), norm=nn.BatchNorm1d):
    n = int(np.prod(shape))
    layers = nn.Linear(n, 16, bias=False), norm(16), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(16, 1)
    return nn.Sequential(nn.Flatten(), *layers)


def test_images_of_every_usual_kind_are_the_same_images():
    x, grey = IMAGES.batch(torch.arange(120)), own.tensor_of(PIXELS)
    assert grey.shape == (120, 1, 28, 28) and grey.dtype == torch.uint8
    for given in (PIXELS[:, None], PIXELS.numpy(), PIXELS[..., None].numpy()):
        assert torch.equal(own.tensor_of(given), grey)
    pairs = TensorDataset(x, torch.zeros(120))
    for given in (x.double(), x.numpy(), x[:, 0], pairs, DataLoader(pairs)):
        made = own.tensor_of(given)
        assert made.dtype == torch.float32 and torch.equal(made, x)
    assert torch.allclose(own.tensor_of(x.half()), x, atol=1e-3)
    assert own.tensor_of(np.full((5, 32, 20, 3), 9, np.uint8)).shape == (5, 3, 32, 20)
    some = DataLoader(pairs, sampler=SubsetRandomSampler(range(7)))
    assert torch.equal(own.tensor_of(some), x[:7]) and torch.equal(own.tensor_of(Endless()), x[:4])


class Endless(torch.utils.data.Dataset):
    """Its length says where it ends; asked beyond, it would go on for ever."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return IMAGES.batch(torch.tensor([i % 120]))[0]


too_short = nn.Sequential(nn.Linear(64, 784), nn.Unflatten(1, (1, 28, 28)))
WRONG = [
    ({"images": torch.rand(120, 1, 28, 28)}, r"\[-1, 1\].*từ .* đến .*Normalize\(\(0.5,\), \(0.5,\)\)"),
    ({"images": PIXELS.float()}, r"\[-1, 1\].*255.*uint8"),
    ({"images": torch.full((120, 1, 28, 28), torch.nan)}, "94080 giá trị NaN"),
    ({"images": ["a.png", "b.png"]}, "mỗi phần tử là tensor ảnh cùng kích thước"),
    ({"images": 3}, "images phải là"),
    ({"images": PIXELS.clamp(max=1)}, "chỉ có 0 và 1: hãy nhân với 255"),
    ({"images": PIXELS[:5]}, r"k·m = 10 ảnh, ở đây chỉ có 5: giảm k hoặc m"),
    ({"images": torch.zeros(120, 1, 32, 32) - 1}, r"D cần ảnh.*\(2, 1, 32, 32\).*viết D"),
    ({"G": Generator}, r"G phải là một mạng đã tạo, ví dụ G=MyNetwork\(\)"),
    ({"G": too_short}, r"G không nhận \(2, 100\).*latent_dim"),
    ({"G": nn.Sequential(nn.Linear(100, 784))}, r"G vẽ ảnh \(784,\) mà ảnh thật là \(1, 28, 28\)"),
    ({"G": nn.Sequential(own_G()[:2], nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))}, "Tanh"),
    ({"D": nn.Sequential(own_D(), nn.Sigmoid(), nn.Flatten(0))}, "cần logit: hãy bỏ Sigmoid"),
    ({"D": nn.Sequential(nn.Linear(784, 1))}, r"D không nhận \(2, 1, 28, 28\)"),
    ({"D": nn.Sequential(nn.Flatten(), nn.Linear(784, 2))}, r"một logit; với hai ảnh đã trả về \(2, 2\)"),
    ({"k": 0}, "k không thể là 0; mặc định là 1"),
    ({"m": "100"}, "m không thể là '100'"),
    ({"lr_G": float("nan")}, "lr_G không thể là nan"),
    ({"hidden_D": ()}, "hidden_D không thể là"),
    ({"loss": "wgan"}, "loss không thể là 'wgan'; mặc định là 'non_saturating'"),
    ({"betas": (0.5, 0.9, 0.99)}, "betas không thể là"),
    ({"precision": "fp16"}, "precision phải là"),
    ({"learning_rate": 0.1}, "Không có lựa chọn learning_rate.*lr_D"),
    ({"state": start(**SMALL)}, "state"),
]


@pytest.mark.parametrize("wrong, words", WRONG)
def test_what_would_train_wrongly_is_told_before_any_work(wrong, words):
    with pytest.raises((ValueError, TypeError), match=words):
        train(**{"images": PIXELS} | SMALL | wrong)


def test_colour_and_other_sizes_train_with_own_networks():
    x, shape = torch.rand(40, 3, 16, 20) * 2 - 1, (3, 16, 20)
    epoch = last(train(x, 2, G=own_G(8, shape), D=own_D(shape), latent_dim=8, **SMALL))
    assert epoch.images.shape == (36, 3, 16, 20) == epoch.frames[-1].images.shape
    assert start(G=Generator(7, (8,))).noise(3).shape == (3, 7)  # a G that says how long its z is


def test_an_object_of_your_own_is_asked_for_its_batches():
    """A conditional GAN: x is a pair, which only the reader's update_D knows how to use."""

    class Pairs:
        def __len__(self):
            return 40

        def batch(self, indices):
            asked.append(indices)
            return torch.zeros(len(indices), 1, 28, 28), indices

    def update_D(D, G, x, z, optimizer_D):
        assert x[1].shape == (10,)
        return algorithm.update_D(D, G, x[0], z, optimizer_D)

    asked = []
    epoch = last(train(Pairs(), 1, update_D=update_D, **SMALL))
    assert len(torch.cat(asked[-4:]).unique()) == 40 and np.isnan(epoch.D_x)


def as_in_the_plain_loop(**options):
    """The State after five iterations on the fast path, the plain path's but for rounding."""
    fast, plain = (start(fast=how, **SMALL, **copy.deepcopy(options)) for how in (True, False))
    for _ in zip(range(5), steps(fast, IMAGES), steps(plain, IMAGES), strict=False):
        pass
    for a, b in ((fast.G, plain.G), (fast.D, plain.D), (fast.G_avg, plain.G_avg)):
        for ours, theirs in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    return fast


def test_fast_is_plain_but_for_rounding_and_the_masks_of_ganlib_s_own_dropout():
    as_in_the_plain_loop(dropout=0.0)
    torch.manual_seed(0)
    as_in_the_plain_loop(D=Discriminator((16,)))  # this one is the reader's: its Dropout stays


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, lambda n: spectral_norm(nn.Linear(n, n)), nn.LayerNorm])
def test_own_networks_train_as_in_the_plain_loop(norm):
    """BatchNorm sees real and fake apart; a frozen layer stays as it is."""
    torch.manual_seed(0)
    D = own_D(norm=norm)
    frozen = D[1].weight.requires_grad_(False)
    fast = as_in_the_plain_loop(G=own_G(), D=D)
    assert torch.equal(fast.D[1].weight, frozen) and not fast.D[1].weight.requires_grad
    assert [type(layer) for layer in fast.D] == [type(layer) for layer in D]  # none is replaced


def test_the_average_has_G_s_statistics_and_looking_leaves_them_alone():
    state = start(G=own_G(), **SMALL)
    list(train(IMAGES, 1, state=state))
    assert state.G[1].num_batches_tracked == state.G_avg[1].num_batches_tracked == 24  # 12 of D's half, 12 of G's
    before = [b.clone() for b in state.G.buffers()]
    answers(state.D, state.G, IMAGES.batch(torch.arange(5)), state.noise(5))
    state.draw()
    assert same(before, list(state.G.buffers())) and state.G.training and state.G_avg.training


@pytest.mark.parametrize("returned, words", [
    (torch.ones(10), r"tensor \(10,\)"), (torch.ones(1), r"tensor \(1,\)"), (0.5, "trả về 0.5"),
    (None, "trả về None"),
])  # fmt: skip
@pytest.mark.parametrize("name", ["update_D", "update_G"])
def test_what_an_update_must_return(name, returned, words):
    with pytest.raises(TypeError, match=f"{name} phải trả về loss.detach.*{words}"):
        list(train(IMAGES, 1, **{name: lambda *_: returned}, **SMALL))


def test_a_sigmoid_that_is_not_the_last_of_D_is_welcome():
    D = nn.Sequential(nn.Flatten(), nn.Linear(784, 9), nn.Sigmoid(), nn.Linear(9, 1))
    assert last(train(IMAGES, 1, D=D, **SMALL)).epoch == 1


@pytest.mark.filterwarnings("ignore:Detected call of")  # pytest forgets ganlib's own filter
def test_the_reader_s_updates_are_what_trains():
    """D's is one that never learns; G's has minimax in it, or gets it."""
    never = last(train(IMAGES, 1, update_D=lambda *given: torch.tensor(3.0), **SMALL))
    assert same(start(**SMALL).D.parameters(), never.state.D.parameters()) and never.loss_D == 3

    def with_loss(D, G, z, optimizer_G, my_loss):
        return algorithm.update_G(D, G, z, optimizer_G, my_loss)

    def without(D, G, z, optimizer_G):
        return algorithm.update_G(D, G, z, optimizer_G)

    ours = last(train(IMAGES, 1, loss="minimax", **SMALL))
    eqn4 = partial(algorithm.update_G, loss_G=algorithm.loss_G_minimax)
    for options in ({"update_G": with_loss, "loss": "minimax"}, {"update_G": eqn4}):
        mine = last(train(IMAGES, 1, **options, **SMALL))
        assert mine.loss_G == ours.loss_G < 0 and same(weights(mine.state), weights(ours.state))
    with pytest.raises(TypeError, match="'minimax'.*đối số thứ năm.*bỏ loss="):
        train(IMAGES, 1, update_G=without, loss="minimax", **SMALL)
    assert last(train(IMAGES, 1, update_G=without, **SMALL)).loss_G > 0
