"""The small worlds: densities that integrate to 1, samples that follow them, coverage, pictures."""

import pytest
import torch

from ganlib import toy


@pytest.mark.parametrize("world", [toy.gaussian, toy.two_peaks, toy.ring, toy.grid])
def test_the_density_integrates_to_1_and_the_samples_follow_it(world):
    world = world()
    d = world.centres.shape[1]
    side, size = (torch.arange(250) + 0.5) * 0.04 - 5, 0.04**d  # equal cells over −5 … 5
    x = torch.cartesian_prod(*[side] * d).view(-1, d)
    p = torch.cat([world.density(part) for part in x.split(10_000)])
    assert float(p.sum() * size) == pytest.approx(1, abs=2e-3)
    torch.manual_seed(0)
    samples = world.sample(100_000)
    assert samples.shape == (100_000, d) and samples.dtype == torch.float32
    for low, high in ((-5, 0), (-1, 1), (0.5, 2)):
        inside = ((x >= low) & (x < high)).all(1)
        share = ((samples >= low) & (samples < high)).all(1).float().mean()
        assert float(p[inside].sum() * size) == pytest.approx(float(share), abs=0.01)


def test_coverage_counts_only_points_that_are_near_and_enough_of_them():
    ring = toy.ring()
    assert toy.coverage(ring.centres[:1].repeat(100, 1), ring) == (1, 8)
    assert toy.coverage(ring.centres * 1.1, ring) == (8, 8)  # 0.2 away: two spreads
    assert toy.coverage(ring.centres * 1.2, ring) == (0, 8)  # 0.4 away: four
    assert toy.coverage(toy.grid().sample(1000), toy.grid()) == (25, 25)
    few = torch.cat([ring.centres[:1].repeat(97, 1), ring.centres[1:2].repeat(3, 1)])
    assert toy.coverage(few, ring) == (1, 8)  # 3 of 100, and a quarter of a fair share is 3.125
    assert toy.coverage(torch.cat([few, ring.centres[1:2]]), ring) == (2, 8)


def test_density_of_G_is_exact_for_a_G_known_by_hand():
    x, middle = toy.edges(-4, 6)
    for a in (0.6, -0.6):  # x = a z + 1 is N(1, a²)
        p_g = toy.density_of_G(lambda z, a=a: a * z + 1, x)
        assert torch.allclose(p_g, toy.gaussian(1, 0.6).density(middle), atol=2e-3)
    x, middle = toy.edges(-4, 4)
    twice = 2 * toy.gaussian(0, 1).density(middle) * (middle[:, 0] > 0)
    assert torch.allclose(toy.density_of_G(torch.abs, x), twice, atol=5e-3)  # two z fall on each x
    constant = toy.density_of_G(lambda z: 0 * z + 0.51, x)  # all in one bin
    assert float(constant.sum() * (x[1] - x[0])) == pytest.approx(1, abs=1e-3)


def test_pictures_ask_D_at_the_right_places():
    points, to_the_right = toy.ring().sample(50), lambda x: 9 * x[:, :1]  # D says real on the right
    figure = toy.planes([(name, points, to_the_right) for name in "abcde"], points)
    assert [ax.get_title() for ax in figure.axes] == list("abcde")
    answers = figure.axes[0].images[0].get_array()
    assert (answers[:, 0] < 0.01).all() and (answers[:, -1] > 0.99).all()
    path = [[0.0, 1.0], [1.0, 0.0], [0.5, 0.8]]
    lines = toy.orbits({"một": path}).axes[0].lines
    assert lines[0].get_xydata().tolist() == path
    assert lines[-1].get_xydata()[0].tolist() == pytest.approx([0.5, 0.6])  # the mean
