"""Compiles the part of the package that takes most of the time, where there is a C compiler; it works without."""

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
# A product and a sum that are rounded once would answer otherwise than numpy, which rounds both.
FLAGS = ["-O3", "-g0", "-ffp-contract=off"] if os.name == "posix" else []


class CompileHook(BuildHookInterface[Any]):
    """Puts the compiled module into wheels, and beside its source for editable installs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and hand the result on, unless that fails or a pure wheel is asked for."""
        self._folder = tempfile.TemporaryDirectory()
        compiled = self._compiled()
        if version == "editable":
            _put(compiled, Path(self.root, SOURCE).with_name(COMPILED))
        elif compiled:
            build_data["force_include"][str(compiled)] = f"titleclf/runtime/{COMPILED}"
            build_data["pure_python"] = False
            build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was compiled, once it is in the wheel."""
        self._folder.cleanup()

    def _compiled(self) -> Path | None:
        if os.environ.get("TITLECLF_PURE") == "1":
            return None
        try:
            return compile_module(Path(self.root, SOURCE), Path(self._folder.name))
        except (Exception, SystemExit) as error:  # whatever compilers raise, the package works without
            got = textwrap.shorten(f"{type(error).__name__}: {error}", 100)
            self.app.display_warning(
                f"titleclf must have a C compiler and Python.h to be compiled. Got {got.rstrip('.')}. It answers the "
                "same without, only slower; install them (sudo apt-get install gcc python3-dev) and pip install again."
            )
            return None


def compile_module(source: Path, folder: Path) -> Path:
    """Compile the Cython module `source`, with all that this leaves in `folder`, and return the compiled one."""
    # Only now: a pure wheel needs neither.
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    # The path gets into the module: it must not be that of this machine.
    source = Path(os.path.relpath(source))
    extension = Extension(MODULE, [str(source)], extra_compile_args=FLAGS)
    modules = cythonize([extension], build_dir=str(folder), force=True, compiler_directives={"language_level": 3})
    command = build_ext(Distribution({"name": "titleclf", "ext_modules": modules}))
    command.build_lib = command.build_temp = str(folder)
    command.ensure_finalized()
    command.run()
    return folder.joinpath(*MODULE.split(".")[:-1], COMPILED)


def _put(compiled: Path | None, target: Path) -> None:
    if compiled is None:
        target.unlink(missing_ok=True)  # it would belong to an older source
        return
    temporary = target.with_name(f"{target.stem}.new{target.suffix}")
    shutil.copyfile(compiled, temporary)
    temporary.replace(target)  # whoever has loaded the old one keeps it
