"""A process that has imported the packages of training, which takes five seconds, and runs each command in a fork.

A command still has a process, a folder, an environment and standard streams of its own, and imports titleclf itself.
"""

import gc
import json
import os
import runpy
import signal
import sys

_IN, _OUT, _ERR = 0, 1, 2


def main() -> None:
    """Run the commands on standard input, one JSON object a line, and print the exit code of each."""
    import hydra  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import pandas as pd  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import torch._dynamo  # noqa: F401 (the first optimizer does)

    gc.freeze()  # else each fork goes through a million objects of these packages when it ends, for two seconds
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run(**json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(
    module: str, arguments: list[str], cwd: str, environment: dict[str, str], streams: list[str], seconds: int
) -> None:
    """Do what `python -m module` does, between files for standard input, output and error."""
    signal.alarm(seconds)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for stream, path in zip((_IN, _OUT, _ERR), streams, strict=True):
        os.dup2(os.open(path, os.O_RDONLY if stream == _IN else os.O_WRONLY), stream)
    sys.path[0] = cwd
    sys.argv = ["-m", *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
