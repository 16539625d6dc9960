"""The configuration in a run's folder."""

from titleclf.config.saved import load_config
from titleclf.config.schemas import TrainConfig
from titleclf.training.run import new_run


def test_a_run_that_older_code_began_is_still_readable(small):
    config = small("optim.lr=3e-3")
    folder = new_run(config)
    assert load_config(folder, TrainConfig) == config
    path = folder / "config.yaml"
    path.write_text(path.read_text() + "trial: false\n")
    assert load_config(folder, TrainConfig) == config
