"""The configuration in a run's folder."""

from titleclf.config.saved import load_config
from titleclf.config.schemas import TrainConfig
from titleclf.training.run import Run


def test_a_run_that_older_code_began_is_still_readable(small):
    config = small("optim.lr=3e-3")
    folder = Run.start_or_resume(config).folder
    assert load_config(folder, TrainConfig) == config
    path = folder / "config.yaml"
    path.write_text(path.read_text() + "trial: false\n")
    assert load_config(folder, TrainConfig) == config
