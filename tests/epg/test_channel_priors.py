"""Channel priors: a title's logits move towards what the other titles of its channel are, never its own."""

import numpy as np
import pytest

from titleclf.epg.channel_priors import ChannelPriors

SPORTS, NEWS = [0.9, 0.1], [0.1, 0.9]


def shifts_of(channels, distributions):
    priors = ChannelPriors(channels, len(distributions[0]))
    priors.add(channels, np.array(distributions))
    return priors.shifts(channels, np.array(distributions))


def test_a_shift_is_the_log_ratio_of_the_priors_of_the_other_titles_and_of_the_guide():
    distributions = [SPORTS, SPORTS, NEWS, [0.5, 0.5]]
    shifts = shifts_of(["one", "one", "one", "two"], distributions)
    guide = np.mean(distributions, axis=0)
    for row, others in enumerate(([1, 2], [0, 2], [0, 1])):
        prior = (np.sum([distributions[other] for other in others], axis=0) + 5 * guide) / 7
        assert shifts[row] == pytest.approx(np.log(prior / guide))
    assert shifts[3] == pytest.approx([0, 0])  # alone on its channel


def test_titles_move_towards_their_channel_and_no_further_with_few_titles():
    few, many = (shifts_of(["one"] * n + ["two"] * n, [SPORTS] * n + [NEWS] * n) for n in (3, 100))
    for shifts in (few, many):
        assert shifts[0, 0] > 0 > shifts[0, 1]
        assert shifts[-1, 1] > 0 > shifts[-1, 0]
    assert many[0, 0] > few[0, 0] > 0.1
    assert many[0] == pytest.approx(np.log(np.array(SPORTS) / 0.5), abs=0.2)


def test_titles_without_a_channel_stay():
    shifts = shifts_of([None, None, "one", "one"], [SPORTS, SPORTS, NEWS, NEWS])
    assert shifts[:2].tolist() == [[0, 0], [0, 0]]
    assert shifts[2, 1] > 0


def test_a_guide_of_one_channel_moves_nothing_far():
    shifts = shifts_of(["one"] * 50, [SPORTS, NEWS] * 25)
    assert np.abs(shifts).max() < 0.05


@pytest.mark.parametrize("distributions", [[[1.0, 0.0]] * 3, [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0]]])
def test_certain_titles_give_finite_shifts(distributions):
    assert np.isfinite(shifts_of(["one", "one", "two"][: len(distributions)], distributions)).all()


def test_what_is_added_in_parts_counts_as_one():
    draw = np.random.default_rng(1)
    channels = [f"channel {number}" for number in draw.integers(0, 9, 200)]
    distributions = draw.dirichlet(np.ones(4), 200)
    whole, parts = ChannelPriors(channels, 4), ChannelPriors(reversed(channels), 4)
    whole.add(channels, distributions)
    for rows in np.array_split(draw.permutation(200), 7):
        parts.add([channels[row] for row in rows], distributions[rows])
    expected = whole.shifts(channels, distributions)
    assert parts.shifts(channels, distributions) == pytest.approx(expected)
    assert np.abs(expected).max() > 0.05
