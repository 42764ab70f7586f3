"""ganlib.networks: held against the formulas by hand, Dropout, and what is refused in which words."""

import pytest
import torch
from torch import nn

from ganlib.networks import LATENT_DIM, SLOPE, Discriminator, Generator


@pytest.fixture
def G():
    torch.manual_seed(0)
    return Generator()


@pytest.fixture
def D():
    torch.manual_seed(0)
    return Discriminator()


@pytest.fixture
def x():
    return torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1


def by_hand(network, a):
    """W a + b, then LeakyReLU, a layer at a time; after the last layer nothing."""
    weights = list(network.parameters())
    for W, b in zip(weights[::2], weights[1::2], strict=True):
        a = a @ W.T + b
        if b is not weights[-1]:
            a = torch.where(a > 0, a, SLOPE * a)
    return a


@pytest.mark.parametrize("hidden", [(512, 512), (8,), (9, 4, 5)])
def test_both_are_what_the_formulas_say(x, hidden):
    G, D, z = Generator(3, hidden), Discriminator(hidden).eval(), torch.randn(5, 3)
    assert torch.allclose(G(z), by_hand(G, z).tanh().view(5, 1, 28, 28), atol=1e-6)
    assert torch.allclose(D(x), by_hand(D, x.flatten(1)).squeeze(1), atol=1e-6)
    assert [layer.out_features for layer in D.layers if isinstance(layer, nn.Linear)] == [*hidden, 1]
    assert D(x).shape == (5,) and D(x[:0]).shape == (0,)


def test_sizes_of_the_series(G, D):
    parameters = [sum(p.numel() for p in network.parameters()) for network in (G, D)]
    assert parameters == [716_560, 665_089]  # 100, 512, 512, 784 and 784, 512, 512, 1
    assert LATENT_DIM == 100 and G(torch.randn(7, 100)).shape == (7, 1, 28, 28)


def test_dropout_behind_each_hidden_layer_of_D_works_in_train_mode_only(D, x):
    drops = [layer.p for network in (D, Discriminator((9, 4), 0.0)) for layer in network.layers
             if isinstance(layer, nn.Dropout)]  # fmt: skip
    assert drops == [0.3, 0.3, 0.0, 0.0]
    assert not torch.equal(D.train()(x), D(x)) and torch.equal(D.eval()(x), D(x))


def test_the_gradient_passes_through_D_to_G(G, D):
    D(G(torch.randn(4, LATENT_DIM))).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in G.parameters())


@pytest.mark.parametrize("shape", [(4, 64), (100,), (4, 100, 1)])
def test_G_refuses_another_z(G, shape):
    with pytest.raises(ValueError, match=r"\(m, 100\).*torch.randn\(m, 100\)") as error:
        G(torch.randn(shape))
    assert str(shape) in str(error.value)


@pytest.mark.parametrize("shape", [(4, 3, 28, 28), (4, 1, 32, 32), (4, 28, 28), (4, 784), (1, 28, 28)])
def test_D_refuses_another_shape(D, shape):
    with pytest.raises(ValueError, match=r"\(m, 1, 28, 28\)") as error:
        D(torch.zeros(shape))
    assert str(shape) in str(error.value)
    assert ("một kênh" in str(error.value)) == (shape[1] == 3)


@pytest.mark.parametrize("value", [-1.01, 1.01, 255.0, float("inf")])
def test_D_refuses_another_range(D, x, value):
    x[1, 0, 3, 4] = value
    with pytest.raises(ValueError, match=r"\[-1, 1\].*Normalize"):
        D(x)


def test_D_takes_the_ends_of_the_range_and_hands_NaN_on_for_train_to_explain(D, x):
    x[0, 0, 0, :2] = torch.tensor([-1.0, 1.0])
    assert D.eval()(x).isfinite().all()
    x[1] = float("nan")
    assert D(x).isnan().tolist() == [False, True, False, False, False]


def test_D_reads_nothing_back_from_another_device_than_the_CPU():
    """A GPU would have to be waited for at every pass; the device "meta" has no numbers to read."""
    with torch.device("meta"):
        assert Discriminator()(torch.empty(2, 1, 28, 28)).shape == (2,)


@pytest.mark.parametrize(
    "build", [lambda: Generator(0), lambda: Generator(True), lambda: Generator(hidden=512),
              lambda: Generator(hidden=()), lambda: Discriminator((512, 0)), lambda: Discriminator(dropout=1)]
)  # fmt: skip
def test_sizes_that_are_none_are_refused(build):
    with pytest.raises(ValueError, match="phải là .*số.*; đã nhận"):
        build()


def test_what_is_no_tensor_is_refused(G, D, x):
    for network, value in ((G, 3), (D, x.numpy())):
        with pytest.raises(TypeError, match="phải là một tensor của PyTorch; đã nhận"):
            network(value)
