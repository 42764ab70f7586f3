"""Algorithm 1's losses and updates, and the networks, by hand; its iterations: test_training.py."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from ganlib import algorithm
from ganlib.networks import SLOPE, Discriminator, Generator


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def test_the_file_is_algorithm_1_and_nothing_else():
    lines = inspect.getsource(algorithm).splitlines()
    assert [line.split()[1].split(".")[0] for line in lines if line.startswith(("import", "from"))] == ["torch"] * 2
    assert len(lines) < 100


def test_losses_are_the_paper_s_formulas():
    real, fake = np.array([-3.0, -0.5, 0.0, 1.2, 4.0]), np.array([2.0, -1.0, 0.3, -4.0, 0.0])
    D_x, D_Gz = sigmoid(real), sigmoid(fake)
    eqn3 = np.mean(np.log(D_x)) + np.mean(np.log(1 - D_Gz))
    real, fake = torch.from_numpy(real), torch.from_numpy(fake)
    assert algorithm.loss_D(real, fake).item() == pytest.approx(-eqn3, abs=1e-12)
    assert algorithm.loss_G(fake).item() == pytest.approx(-np.mean(np.log(D_Gz)), abs=1e-12)
    assert algorithm.loss_G_minimax(fake).item() == pytest.approx(np.mean(np.log(1 - D_Gz)), abs=1e-12)
    far = torch.full((4,), 200.0)  # log D(G(z)) alone would be -inf
    assert algorithm.loss_G(-far).item() == algorithm.loss_D(-far, -far).item() == pytest.approx(200)


LEFT = 1e6  # the gradients that lie there already: of the other's update, or of one that was cut short


@pytest.fixture
def pair():
    """A linear G (3 -> 4) and D (4 -> 1) in float64, their weights A, w in numpy, x (5, 4) and z (6, 3)."""
    random = np.random.RandomState(0)
    A, w, z, x = random.randn(3, 4), random.randn(4), random.randn(6, 3), random.randn(5, 4)
    G, D = nn.Linear(3, 4, bias=False).double(), nn.Linear(4, 1, bias=False).double()
    for network, values in ((G, A.T), (D, w[None])):
        network.weight.data = torch.tensor(values)
        network.weight.grad = torch.full_like(network.weight, LEFT)
    return G, D, A, w, x, z


def test_update_D_is_a_step_of_theta_d_up_eqn3(pair):
    """The gradient of 1/m Σ log D(x) + 1/m Σ log(1 − D(G(z))), worked out by hand; θ_g is left alone."""
    G, D, A, w, x, z = pair
    fake = z @ A
    eqn3 = np.log(sigmoid(x @ w)).mean() + np.log(1 - sigmoid(fake @ w)).mean()
    up = x.T @ (1 - sigmoid(x @ w)) / len(x) - fake.T @ sigmoid(fake @ w) / len(z)
    optimizer = torch.optim.SGD(D.parameters(), lr=0.1)
    loss = algorithm.update_D(D, G, torch.from_numpy(x), torch.from_numpy(z), optimizer)
    np.testing.assert_allclose(D.weight.detach().numpy()[0], w + 0.1 * up, atol=1e-12)
    assert -loss.item() == pytest.approx(eqn3, abs=1e-12) and not loss.requires_grad
    assert (G.weight.detach().numpy().T == A).all() and (G.weight.grad == LEFT).all()


@pytest.mark.filterwarnings("ignore:grad and param")  # of a single row of weights
@pytest.mark.parametrize("loss_G", [algorithm.loss_G, algorithm.loss_G_minimax])
def test_update_G_is_a_step_of_theta_g_down_its_loss_through_both_networks(pair, loss_G):
    G, D, A, w, _, z = pair
    D_Gz = sigmoid(z @ A @ w)
    value, slope = -np.log(D_Gz).mean(), D_Gz - 1
    if loss_G is algorithm.loss_G_minimax:
        value, slope = np.log(1 - D_Gz).mean(), -D_Gz
    loss = algorithm.update_G(D, G, torch.from_numpy(z), torch.optim.SGD(G.parameters(), lr=0.1), loss_G)
    down = z.T @ np.outer(slope / len(z), w)
    np.testing.assert_allclose(G.weight.detach().numpy().T, A - 0.1 * down, atol=1e-12)
    assert loss.item() == pytest.approx(value, abs=1e-12) and not loss.requires_grad
    assert (D.weight.detach().numpy()[0] == w).all()


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
    (Discriminator(), (4, 784), r"\(m, 1, 28, 28\).*\(4, 784\).*x.view\(-1, 1, 28, 28\)"),
    (Discriminator(), (4, 1, 32, 32), r"\(4, 1, 32, 32\).*đổi kích thước ảnh, hoặc viết D"),  # a view would scramble
])  # fmt: skip
def test_another_shape_is_refused(network, shape, words):
    with pytest.raises(ValueError, match=words):
        network(torch.zeros(shape))
