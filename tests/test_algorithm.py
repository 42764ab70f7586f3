"""Algorithm 1 against independent oracles: numpy for losses and updates, a log of calls for iterations."""

import ast
import inspect
from itertools import islice

import numpy as np
import pytest
import torch

from ganlib import algorithm
from ganlib.networks import Discriminator, Generator

LOGITS = np.array([-3.0, -0.5, 0.0, 1.2, 4.0]), np.array([2.0, -1.0, 0.3, -4.0, 0.0])


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def weights(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(before, after):
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_file_is_algorithm_1_and_nothing_else():
    source = inspect.getsource(algorithm)
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in imported}
    assert {name.split(".")[0] for name in names} == {"torch"}
    assert len(source.splitlines()) < 100


# ------------------------------------------------------------------------------------ losses against numpy


def test_losses_are_the_paper_s_formulas():
    real, fake = LOGITS
    D_x, D_Gz = sigmoid(real), sigmoid(fake)
    eqn3 = np.mean(np.log(D_x)) + np.mean(np.log(1 - D_Gz))
    real, fake = map(torch.from_numpy, LOGITS)
    assert algorithm.loss_D(real, fake).item() == pytest.approx(-eqn3, abs=1e-12)
    assert algorithm.loss_G(fake).item() == pytest.approx(-np.mean(np.log(D_Gz)), abs=1e-12)
    assert algorithm.loss_G_minimax(fake).item() == pytest.approx(np.mean(np.log(1 - D_Gz)), abs=1e-12)


@pytest.mark.parametrize(
    ("loss", "derivative"),
    [
        (lambda s: algorithm.loss_D(s, s.detach()), lambda s: sigmoid(s) - 1),
        (lambda s: algorithm.loss_D(s.detach(), s), sigmoid),
        (algorithm.loss_G, lambda s: sigmoid(s) - 1),
        (algorithm.loss_G_minimax, lambda s: -sigmoid(s)),
    ],
)
def test_gradients_of_the_losses_in_the_logit(loss, derivative):
    s = torch.tensor(LOGITS[0], requires_grad=True)
    loss(s).backward()
    np.testing.assert_allclose(s.grad.numpy(), derivative(LOGITS[0]) / len(LOGITS[0]), atol=1e-12)


def test_losses_far_from_the_equilibrium_stay_finite():
    far = torch.full((4,), 200.0)  # log D(G(z)) alone would be -inf
    assert algorithm.loss_G(-far).item() == algorithm.loss_D(-far, -far).item() == pytest.approx(200)


# ----------------------------------------------------------------------------------- updates against numpy


def linear_pair():
    """A linear G (3 -> 4) and D (4 -> 1) in float64, their weights A, w in numpy, z (6, 3) and x (5, 4)."""
    random = np.random.RandomState(0)
    A, w, z, x = random.randn(3, 4), random.randn(4), random.randn(6, 3), random.randn(5, 4)
    G, D = torch.nn.Linear(3, 4, bias=False).double(), torch.nn.Linear(4, 1, bias=False).double()
    with torch.no_grad():
        G.weight.copy_(torch.from_numpy(A.T))
        D.weight.copy_(torch.from_numpy(w[None]))
    return G, D, A, w, z, x


def test_update_D_is_a_step_up_eqn3():
    """θ_d's gradient of 1/m Σ log D(x) + 1/m Σ log(1 − D(G(z))), worked out by hand."""
    G, D, A, w, z, x = linear_pair()
    fake = z @ A
    eqn3 = np.log(sigmoid(x @ w)).mean() + np.log(1 - sigmoid(fake @ w)).mean()
    up = x.T @ (1 - sigmoid(x @ w)) / len(x) - fake.T @ sigmoid(fake @ w) / len(z)
    optimizer = torch.optim.SGD(D.parameters(), lr=0.1)
    loss = algorithm.update_D(D, G, torch.from_numpy(x), torch.from_numpy(z), optimizer)
    np.testing.assert_allclose(D.weight.detach().numpy()[0], w + 0.1 * up, atol=1e-12)
    assert -loss.item() == pytest.approx(eqn3, abs=1e-12) and not loss.requires_grad


@pytest.mark.parametrize("name", ["loss_G", "loss_G_minimax"])
def test_update_G_is_a_step_down_its_loss_through_both_networks(name):
    G, D, A, w, z, _ = linear_pair()
    D_Gz = sigmoid(z @ A @ w)
    value, slope = {
        "loss_G": (-np.log(D_Gz).mean(), D_Gz - 1),
        "loss_G_minimax": (np.log(1 - D_Gz).mean(), -D_Gz),
    }[name]
    given = D, G, torch.from_numpy(z), torch.optim.SGD(G.parameters(), lr=0.1)
    loss = algorithm.update_G(*given, getattr(algorithm, name))
    down = z.T @ np.outer(slope / len(z), w)
    np.testing.assert_allclose(G.weight.detach().numpy().T, A - 0.1 * down, atol=1e-12)
    assert loss.item() == pytest.approx(value, abs=1e-12) and not loss.requires_grad


# ------------------------------------------------------------------------------------- updates: who moves


def pair():
    torch.manual_seed(0)
    G, D = Generator(hidden=(16, 32)), Discriminator(hidden=(32, 16), dropout=0.0)
    return G, D, *(torch.optim.Adam(network.parameters(), lr=1e-3) for network in (G, D))


def test_update_D_moves_theta_d_alone():
    G, D, _, optimizer = pair()
    x, z = torch.rand(10, 1, 28, 28) * 2 - 1, torch.randn(10, 100)
    before = weights(G), weights(D)
    loss = algorithm.update_D(D, G, x, z, optimizer)
    assert same(before[0], G.parameters()) and all(p.grad is None for p in G.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before[1], D.parameters(), strict=True))
    assert algorithm.update_D(D, G, x, z, optimizer) < loss


@pytest.mark.parametrize("loss", [algorithm.loss_G, algorithm.loss_G_minimax])
def test_update_G_moves_theta_g_alone(loss):
    G, D, optimizer, _ = pair()
    z = torch.randn(10, 100)
    before = weights(G), weights(D)
    value = algorithm.update_G(D, G, z, optimizer, loss)
    assert same(before[1], D.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before[0], G.parameters(), strict=True))
    assert algorithm.update_G(D, G, z, optimizer, loss) < value


@pytest.mark.parametrize("who", ["D", "G"])
def test_an_update_clears_the_gradients_that_lie_there(who):
    """Those of the other's update, or of one cut short, would be added to the new ones."""

    def moved(stale):
        G, D, optimizer_G, optimizer_D = pair()
        x, z = torch.rand(10, 1, 28, 28) * 2 - 1, torch.randn(10, 100)
        for p in [*G.parameters(), *D.parameters()] if stale else ():
            p.grad = torch.full_like(p, 1e6)
        if who == "D":
            algorithm.update_D(D, G, x, z, optimizer_D)
        else:
            algorithm.update_G(D, G, z, optimizer_G)
        return weights(D) + weights(G)

    assert same(moved(stale=False), moved(stale=True))


# ------------------------------------------------------------------------ what the paper's theory says of D


def test_D_finds_the_optimum_of_two_known_densities():
    """On three points, shares .5 .3 .2 against .2 .2 .6: D* = p_data / (p_data + p_g)."""
    p_data, p_g = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
    cells = torch.eye(3)
    x = cells.repeat_interleave((10 * p_data).round().long(), 0)
    z = cells.repeat_interleave((10 * p_g).round().long(), 0)
    torch.manual_seed(0)
    D, G = torch.nn.Linear(3, 1), torch.nn.Identity()
    optimizer = torch.optim.Adam(D.parameters(), lr=0.05)
    for _ in range(600):
        loss = algorithm.update_D(D, G, x, z, optimizer)
    best = p_data / (p_data + p_g)
    torch.testing.assert_close(torch.sigmoid(D(cells)).squeeze(1).detach(), best, atol=1e-3, rtol=0)
    V = (p_data * best.log() + p_g * (1 - best).log()).sum()  # max_D V
    assert -loss.item() == pytest.approx(V.item(), abs=1e-4)


# --------------------------------------------------------------------------------------------- iterations


class Told:
    """Images, noise and updates that only write down how `iterations` calls them."""

    def __init__(self, k, m, count=25):
        self.count, self.calls, self.drawn = count, [], 0
        self.run = algorithm.iterations(
            "D", "G", "oD", "oG", self, self.noise, k, m, self.update_D, self.update_G
        )

    def __len__(self):
        return self.count

    def batch(self, indices):
        return indices.tolist()

    def noise(self, m):
        self.drawn += 1
        return f"{m} z, lần {self.drawn}"

    def update_D(self, *given):
        self.calls.append(("D", *given))
        return f"loss_D {len(self.calls)}"

    def update_G(self, *given):
        self.calls.append(("G", *given))
        return f"loss_G {len(self.calls)}"


@pytest.mark.parametrize("k", [1, 3])
def test_k_steps_of_D_on_fresh_batches_then_one_of_G(k):
    told, per_epoch = Told(k, m=4), 25 // (4 * k)
    yielded = list(islice(told.run, 3 * per_epoch))
    assert [call[0] for call in told.calls] == (["D"] * k + ["G"]) * 3 * per_epoch
    of_D = [call for call in told.calls if call[0] == "D"]
    assert all((D, G, optimizer) == ("D", "G", "oD") for _, D, G, _, _, optimizer in of_D)
    assert all((D, G, optimizer) == ("D", "G", "oG") for who, D, G, *_, optimizer in told.calls if who == "G")
    z = [call[-2] for call in told.calls]
    assert z == [f"4 z, lần {i + 1}" for i in range(len(z))]  # each update draws its own
    last = [(k + 1) * (i + 1) for i in range(len(yielded))]
    assert yielded == [(f"loss_D {i - 1}", f"loss_G {i}") for i in last]  # the last of the k, and G's


@pytest.mark.parametrize("k", [1, 3])
def test_no_image_comes_twice_in_an_epoch_and_the_next_has_another_order(k):
    told, per_epoch = Told(k, m=4), 25 // (4 * k)
    list(islice(told.run, 2 * per_epoch))
    batches = [call[3] for call in told.calls if call[0] == "D"]
    epochs = [sum(part, []) for part in (batches[: k * per_epoch], batches[k * per_epoch :])]
    for seen in epochs:
        assert len(set(seen)) == len(seen) == 4 * k * per_epoch and set(seen) <= set(range(25))
    assert epochs[0] != epochs[1] and {len(batch) for batch in batches} == {4}
