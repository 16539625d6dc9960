import pytest
from matplotlib.image import imread

from titleclf.training.plots import draw_training


@pytest.mark.parametrize("score", ["accuracy", "micro_f1"])
def test_the_training_curve_is_drawn(tmp_path, score):
    scores = (score, "macro_f1", f"known_{score}", "known_macro_f1")
    history = [
        {"epoch": n, "training_loss": 1 / n, "validation_loss": 2 / n, **dict.fromkeys(scores, n / 9)}
        for n in range(1, 6)
    ]
    draw_training(tmp_path / "training.png", history, kept=3)
    rows, columns, _ = imread(tmp_path / "training.png").shape
    assert columns > rows > 300
