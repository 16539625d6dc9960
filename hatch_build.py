"""Compiles the Cython module if there is a C compiler; the package works without it."""

import os
import shutil
import sysconfig
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("src", "titleclf", "runtime", "_speedups.pyx")
MODULE = ".".join(SOURCE.with_suffix("").parts[1:])
COMPILED = SOURCE.stem + str(sysconfig.get_config_var("EXT_SUFFIX"))
# A fused multiply-add rounds once where numpy rounds twice: its results would differ.
FLAGS = ["-O3", "-g0", "-ffp-contract=off"] if os.name == "posix" else []


class CompileHook(BuildHookInterface[Any]):
    """Adds the compiled module to wheels, and puts it beside its source for editable installs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile and add the module, unless that fails or a pure wheel is requested."""
        self._folder = tempfile.TemporaryDirectory()
        compiled = self._compile()
        if version == "editable":
            _replace(Path(self.root, SOURCE).with_name(COMPILED), compiled)
        elif compiled:
            build_data["force_include"][str(compiled)] = f"titleclf/runtime/{COMPILED}"
            build_data["pure_python"] = False
            build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the temporary files once the wheel contains the module."""
        self._folder.cleanup()

    def _compile(self) -> Path | None:
        if os.environ.get("TITLECLF_PURE") == "1":
            return None
        try:
            return compile_module(Path(self.root, SOURCE), Path(self._folder.name))
        except (Exception, SystemExit) as error:  # compilers raise all kinds, and none of them is fatal
            got = textwrap.shorten(f"{type(error).__name__}: {error}", 100)
            self.app.display_warning(
                f"titleclf was not compiled: it needs a C compiler and Python.h. Got {got.rstrip('.')}. It predicts "
                "the same without, only slower; to compile it, install them (sudo apt-get install gcc python3-dev) "
                "and run pip install again."
            )
            return None


def compile_module(source: Path, folder: Path) -> Path:
    """Compile the Cython module `source`, with all intermediate files in `folder`, and return the compiled file."""
    # Imported here: a pure wheel needs neither.
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    # The compiled file contains this path, which must not be one of this machine.
    source = Path(os.path.relpath(source))
    extension = Extension(MODULE, [str(source)], extra_compile_args=FLAGS)
    modules = cythonize([extension], build_dir=str(folder), force=True, compiler_directives={"language_level": 3})
    command = build_ext(Distribution({"name": "titleclf", "ext_modules": modules}))
    command.build_lib = command.build_temp = str(folder)
    command.ensure_finalized()
    command.run()
    return folder.joinpath(*MODULE.split(".")[:-1], COMPILED)


def _replace(target: Path, compiled: Path | None) -> None:
    if compiled is None:
        target.unlink(missing_ok=True)  # it was compiled from an older source
        return
    temporary = target.with_name(f"{target.stem}.new{target.suffix}")
    shutil.copyfile(compiled, temporary)
    temporary.replace(target)  # processes that have loaded the old file keep it
