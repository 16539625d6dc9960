"""The units of systemd that the repository has: valid, and of what docs/scheduling.md says."""

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from titleclf.runtime.files import CHECKOUT

UNITS = sorted((CHECKOUT / "systemd").iterdir())


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_valid(tmp_path, unit):
    sections = configparser.ConfigParser(interpolation=None, strict=False)
    sections.optionxform = str  # type: ignore[assignment, method-assign]
    sections.read(unit)
    kind = "Timer" if unit.suffix == ".timer" else "Service"
    assert {"Unit", kind} <= set(sections.sections()) <= {"Unit", kind, "Install"}
    if (verifier := shutil.which("systemd-analyze")) is not None:
        program = tmp_path / "titleclf" / "bin" / "titleclf"
        program.parent.mkdir(parents=True)
        program.touch(0o755)
        environment = {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
        done = subprocess.run(
            [verifier, "--user", "verify", unit], env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_the_documents_name_every_unit():
    text = Path(CHECKOUT / "docs" / "scheduling.md").read_text()
    assert [unit.name for unit in UNITS] == ["titleclf-serve.service", "titleclf.service", "titleclf.timer"]
    assert all(f"systemd/{unit.name}" in text for unit in UNITS)
