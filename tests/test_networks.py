"""ganlib.networks: held against the formulas by hand, Dropout, and what is refused in which words."""

import pytest
import torch
from torch import nn

from ganlib.networks import SLOPE, Discriminator, Generator


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
    assert D(x[:0]).shape == (0,)


def test_sizes_of_the_series():
    """100, 512, 512, 784 and 784, 512, 512, 1."""
    found = [sum(p.numel() for p in network.parameters()) for network in (Generator(), Discriminator())]
    assert found == [716_560, 665_089]


def test_dropout_behind_each_hidden_layer_of_D_works_in_train_mode_only(x):
    D = Discriminator()
    layers = [*D.layers, *Discriminator((9, 4), 0.0).layers]
    assert [layer.p for layer in layers if isinstance(layer, nn.Dropout)] == [0.3, 0.3, 0.0, 0.0]
    assert not torch.equal(D.train()(x), D(x)) and torch.equal(D.eval()(x), D(x))


def test_another_shape_is_refused():
    for network, shapes, words in (
        (Generator(), [(4, 64), (100,), (4, 100, 1)], r"\(m, 100\).*torch.randn\(m, 100\)"),
        (Discriminator(), [(4, 28, 28), (4, 784)], r"\(m, 1, 28, 28\)"),
        (Discriminator(), [(4, 3, 28, 28)], r"\(m, 1, 28, 28\).*một kênh"),
    ):
        for shape in shapes:
            with pytest.raises(ValueError, match=words) as error:
                network(torch.zeros(shape))
            assert str(shape) in str(error.value)


def test_D_takes_the_whole_range_and_no_other_and_hands_NaN_on_for_train_to_explain(x):
    D = Discriminator().eval()
    x[0, 0, 0, :2] = torch.tensor([-1.0, 1.0])
    x[1] = float("nan")
    assert D(x).isnan().tolist() == [False, True, False, False, False]
    for value in (-1.01, 1.01, 255.0, float("inf")):
        x[1] = value
        with pytest.raises(ValueError, match=r"\[-1, 1\].*Normalize"):
            D(x)


def test_D_reads_nothing_back_from_another_device_than_the_CPU():
    """A GPU would have to be waited for at every pass; the device "meta" has no numbers to read."""
    with torch.device("meta"):
        assert Discriminator()(torch.empty(2, 1, 28, 28)).shape == (2,)


def test_sizes_that_are_none_and_what_is_no_tensor_are_refused(x):
    for G in ({"latent_dim": 0}, {"hidden": 512}, {"hidden": ()}):
        with pytest.raises(ValueError, match="phải là .*số.*; đã nhận"):
            Generator(**G)
    with pytest.raises(ValueError, match="phải là .*số.*; đã nhận"):
        Discriminator(dropout=1)
    for network, value in ((Generator(), 3), (Discriminator(), x.numpy())):
        with pytest.raises(TypeError, match="phải là một tensor của PyTorch; đã nhận"):
            network(value)
