"""ganlib.networks: shapes, ranges, parameter counts by hand, Dropout, and what is refused in which words."""

import pytest
import torch
from torch import nn

from ganlib.networks import LATENT_DIM, Discriminator, Dropout, Generator


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def by_hand(*sizes):
    """Weights and biases of linear layers between these sizes."""
    return sum(a * b + b for a, b in zip(sizes[:-1], sizes[1:], strict=True))


@pytest.fixture(scope="module")
def G():
    torch.manual_seed(0)
    return Generator()


@pytest.fixture
def D():
    torch.manual_seed(0)
    return Discriminator()


@pytest.fixture(scope="module")
def x():
    return torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_G_draws_images_in_range(G):
    images = G(torch.randn(7, LATENT_DIM))
    assert LATENT_DIM == 100
    assert images.shape == (7, 1, 28, 28) and images.dtype == torch.float32
    assert -1 <= images.min() < 0 < images.max() <= 1
    assert not torch.equal(images[0], images[1]), "another z, another image"


def test_G_reaches_both_ends_of_the_range(G):
    images = G(1000 * torch.randn(50, LATENT_DIM))  # Tanh saturates; a sigmoid or a clamp at 0 would not
    assert images.min() < -0.99 and images.max() > 0.99
    assert images.abs().max() <= 1


def test_D_gives_logits(D, x):
    logits = D(x)
    assert logits.shape == (5,)
    nn.init.zeros_(D.layers[-2].weight)
    for bias in (-30.0, 30.0):  # far outside (0, 1): no sigmoid, no activation behind the last layer
        nn.init.constant_(D.layers[-2].bias, bias)
        assert torch.equal(D(x), torch.full((5,), bias))


def test_parameters_by_hand(G, D):
    assert parameters(G) == by_hand(100, 512, 512, 784) == 716_560
    assert parameters(D) == by_hand(784, 512, 512, 1) == 665_089


def test_sizes_are_arguments(x):
    G, D = Generator(latent_dim=3, hidden=(8,)), Discriminator(hidden=(9, 4), dropout=0.0)
    assert parameters(G) == by_hand(3, 8, 784) and parameters(D) == by_hand(784, 9, 4, 1)
    assert D(G(torch.randn(2, 3))).shape == (2,)
    assert [layer.p for layer in D.layers if isinstance(layer, nn.Dropout)] == [0, 0]


def test_activations_stand_between_the_linear_layers(G, D):
    for network in (G, D):
        kinds = [type(layer).__name__ for layer in network.layers]
        assert kinds.count("Linear") == 3 and kinds.count("LeakyReLU") == 2
        assert {layer.negative_slope for layer in network.layers if isinstance(layer, nn.LeakyReLU)} == {0.2}
    assert not any(isinstance(layer, nn.Dropout) for layer in G.layers)
    assert [layer.p for layer in D.layers if isinstance(layer, nn.Dropout)] == [0.3] * 2


def test_dropout_works_in_train_mode_only(D, x):
    assert not torch.equal(D.train()(x), D(x))
    assert torch.equal(D.eval()(x), D(x))


@pytest.mark.parametrize("p", [0.3, 0.5, 0.9])
def test_dropout_keeps_its_share_and_the_mean(p):
    torch.manual_seed(0)
    drop, x = (
        Dropout(p),
        torch.ones(1000, 1001, requires_grad=True),
    )  # an odd count: bytes come eight to a draw
    y = drop(x)
    kept = y != 0
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=0.004)
    assert y.mean().item() == pytest.approx(1, abs=0.01)
    assert kept[0].float().mean() != 0 and not torch.equal(kept[0], kept[1])
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())  # the same mask on the way back
    units = kept.float().mean(0)  # every unit alike, wherever its byte lies in the draw
    assert units.min() > 1 - p - 0.09 and units.max() < 1 - p + 0.09
    assert torch.equal(drop.eval()(x), x) and torch.equal(Dropout(0.0)(x), x)


def test_the_gradient_passes_through_D_to_G(G, D):
    G.zero_grad()
    D(G(torch.randn(4, LATENT_DIM))).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in G.parameters())


@pytest.mark.parametrize("shape", [(4, 64), (100,), (4, 100, 1)])
def test_G_refuses_another_z(G, shape):
    with pytest.raises(ValueError, match=r"\(m, 100\)") as error:
        G(torch.randn(shape))
    assert str(shape) in str(error.value) and "torch.randn(m, 100)" in str(error.value)


SHAPES = [(4, 3, 28, 28), (4, 1, 32, 32), (4, 28, 28), (4, 784), (1, 28, 28)]


@pytest.mark.parametrize("shape", SHAPES)
def test_D_refuses_another_shape(D, shape):
    with pytest.raises(ValueError, match=r"\(m, 1, 28, 28\)") as error:
        D(torch.zeros(shape))
    assert str(shape) in str(error.value)
    assert ("một kênh" in str(error.value)) == (shape[1] == 3)


def spoiled(x, value):
    x = x.clone()
    x[1, 0, 3, 4] = value
    return x


@pytest.mark.parametrize("value", [-1.01, 1.01, 255.0, float("inf")])
def test_D_refuses_another_range(D, x, value):
    with pytest.raises(ValueError, match=r"\[-1, 1\]") as error:
        D(spoiled(x, value))
    assert "Normalize" in str(error.value)


def test_D_hands_NaN_on_for_train_to_explain(D, x):
    assert D.eval()(spoiled(x, float("nan"))).isnan().tolist() == [False, True, False, False, False]


def test_D_takes_the_ends_of_the_range_and_an_empty_batch(D, x):
    assert D(spoiled(spoiled(x, 1.0), -1.0)).shape == (5,)
    assert D(x[:0]).shape == (0,)
