import math

import pytest
import torch

from titleclf.runtime.choices import Combine, Positions
from titleclf.training.positions import PositionalCode, alternating, sinusoidal


def test_alternating_equals_its_formula():
    table = alternating(5, 3)
    for position in range(5):
        for d in range(3):
            wave = math.cos if position % 2 == 0 else math.sin
            assert table[position, d].item() == pytest.approx(wave(position / (d + 1)), abs=1e-6)


def test_sinusoidal_equals_a_written_table():
    # Vaswani et al. 2017: sin and cos of pos / 10000^(2i/4) for i = 0, 1.
    expected = [
        [0.0, 1.0, 0.0, 1.0],
        [0.841471, 0.540302, 0.0099998, 0.99995],
        [0.909297, -0.416147, 0.0199987, 0.9998],
    ]
    assert torch.allclose(sinusoidal(3, 4), torch.tensor(expected), atol=1e-5)


def test_sinusoidal_accepts_an_odd_dim():
    assert torch.equal(sinusoidal(7, 5), sinusoidal(7, 5))
    assert torch.allclose(sinusoidal(7, 5)[:, 0], torch.arange(7).sin())


@pytest.mark.parametrize("combine", list(Combine))
@pytest.mark.parametrize("kind", list(Positions))
def test_codes_keep_the_shape_and_are_combined_as_configured(kind, combine):
    characters = torch.randn(3, 5, 7)
    code = PositionalCode(kind, combine, length=11, dim=7)
    tables = {
        Positions.alternating: alternating(11, 7),
        Positions.sinusoidal: sinusoidal(11, 7),
        Positions.learned: torch.full((11, 7), 1.0 if combine is Combine.multiply else 0.0),
        Positions.none: torch.full((11, 7), 1.0 if combine is Combine.multiply else 0.0),
    }
    table = tables[kind][:5]
    expected = characters * table if combine is Combine.multiply else characters + table
    assert torch.allclose(code(characters, torch.arange(5)), expected)
    places = torch.tensor([4, 0, 0])  # in any order, and repeated
    assert torch.allclose(code(characters[:, places], places), expected[:, places])


def test_only_learned_positions_are_parameters_and_fixed_ones_are_not_saved():
    parameters = {kind: len(list(PositionalCode(kind, Combine.add, 3, 5).parameters())) for kind in Positions}
    assert parameters == {kind: int(kind is Positions.learned) for kind in Positions}
    assert not PositionalCode(Positions.sinusoidal, Combine.add, 3, 5).state_dict()
