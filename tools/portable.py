"""Run a command as another computer would: other kernels, other numbers of threads.

    python tools/portable.py --threads 2 python -m pytest ...

A sum taken in another order differs in its last digits. Which order is taken depends
on the processor and on the number of threads, so a stored output that holds here need
not hold elsewhere. This sets, for one command and its children, the variables by which
numpy, OpenBLAS, numba and torch choose their kernels, to the plainest kernels that any
computer of this kind has.
"""

import argparse
import os
import platform
import sys


def numpy_features():
    """Names of the numpy kernels that this processor would choose at run time.

    numpy refuses the name of a feature that it was not built to choose, and warns of
    one that the processor lacks; so only those that are both are named.
    """
    try:
        from numpy._core import _multiarray_umath as umath
    except ImportError:  # numpy before 2
        from numpy.core import _multiarray_umath as umath
    return [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]


def environment(threads):
    """The variables of the profile."""
    count = str(threads)
    variables = {
        "OMP_NUM_THREADS": count,  # torch and what is compiled with OpenMP
        "OPENBLAS_NUM_THREADS": count,
        "NUMBA_NUM_THREADS": count,
        "OMP_WAIT_POLICY": "passive",
    }
    if platform.machine().lower() in ("x86_64", "amd64"):
        variables["OPENBLAS_CORETYPE"] = "Prescott"  # SSE3: every x86_64 has it
    return variables | {
        "NPY_DISABLE_CPU_FEATURES": " ".join(numpy_features()),
        "NUMBA_CPU_NAME": "generic",
        "ATEN_CPU_CAPABILITY": "default",
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    if not options.command:
        parser.error("which command?")
    variables = environment(options.threads)
    print(*(f"{name}={value}" for name, value in variables.items()), flush=True)
    os.execvpe(options.command[0], options.command, os.environ | variables)


if __name__ == "__main__":
    sys.exit(main())
