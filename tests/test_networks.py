"""ganlib.networks: held against the formulas by hand, Dropout, what is refused in which words, `evaluating`."""

import pytest
import torch
from torch import nn

from ganlib.networks import SLOPE, Discriminator, Generator, evaluating

X = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1


def by_hand(network, a):
    """W a + b, then LeakyReLU, a layer at a time; after the last layer nothing."""
    weights = list(network.parameters())
    for W, b in zip(weights[::2], weights[1::2], strict=True):
        a = a @ W.T + b
        if b is not weights[-1]:
            a = torch.where(a > 0, a, SLOPE * a)
    return a


@pytest.mark.parametrize("hidden", [(512, 512), (8,), (9, 4, 5)])
def test_both_are_what_the_formulas_say(hidden):
    G, D, z = Generator(3, hidden), Discriminator(hidden).eval(), torch.randn(5, 3)
    assert torch.allclose(G(z), by_hand(G, z).tanh().view(5, 1, 28, 28), atol=1e-6)
    assert torch.allclose(D(X), by_hand(D, X.flatten(1)).squeeze(1), atol=1e-6)
    assert [layer.out_features for layer in D.layers if isinstance(layer, nn.Linear)] == [*hidden, 1]
    assert D(X[:0]).shape == (0,)
    of_the_series = [sum(p.numel() for p in network.parameters()) for network in (Generator(), Discriminator())]
    assert of_the_series == [716_560, 665_089]  # 100, 512, 512, 784 and 784, 512, 512, 1


def test_dropout_behind_each_hidden_layer_of_D_works_in_train_mode_only():
    D = Discriminator()
    layers = [*D.layers, *Discriminator((9, 4), 0.0).layers]
    assert [layer.p for layer in layers if isinstance(layer, nn.Dropout)] == [0.3, 0.3, 0.0, 0.0]
    assert not torch.equal(D.train()(X), D(X)) and torch.equal(D.eval()(X), D(X))


@pytest.mark.parametrize("network, shape, words", [
    (Generator(), (4, 64), r"\(m, 100\).*\(4, 64\).*torch.randn\(m, 100\)"),
    (Generator(), (100,), r"\(m, 100\)"),
    (Discriminator(), (4, 784), r"\(m, 1, 28, 28\).*\(4, 784\).*x.view\(-1, 1, 28, 28\)"),
    (Discriminator(), (4, 1, 32, 32), r"\(4, 1, 32, 32\).*đổi kích thước ảnh, hoặc viết D"),  # a view would scramble
])  # fmt: skip
def test_another_shape_is_refused(network, shape, words):
    with pytest.raises(ValueError, match=words):
        network(torch.zeros(shape))


def test_evaluating_puts_each_layer_back_as_it_was():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    network[1].eval()  # a reader who rests one layer
    with pytest.raises(KeyError), evaluating(network):
        assert not any(layer.training for layer in network.modules())
        raise KeyError
    assert [layer.training for layer in network.modules()] == [True, True, False, True]
