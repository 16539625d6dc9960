import sys

import pytest
from scripts.common.processes import run

from titleclf.runtime.errors import InputError


def test_a_process_is_measured_and_its_output_kept(tmp_path):
    code = "import os; x = b'x' * 50_000_000; print(os.environ['OMP_NUM_THREADS'])"
    cost = run([sys.executable, "-c", code], tmp_path)
    assert cost.output == "1\n"
    assert cost.seconds > 0
    assert 48 < cost.megabytes < 200


def test_a_failed_command_is_named_with_its_output(tmp_path):
    with pytest.raises(InputError, match=r"-c raise SystemExit\('no'\) must succeed. Got: no\n. Fix that first."):
        run([sys.executable, "-c", "raise SystemExit('no')"], tmp_path)
