"""Only the extension modules; everything else is in pyproject.toml.

MEDIATION_DEBUG=1 adds bounds checks, asserts and sanitizers: those of MEDIATION_SANITIZE, or undefined behaviour."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("MEDIATION_DEBUG") == "1"
SANITIZE = ["-fsanitize=" + os.environ.get("MEDIATION_SANITIZE", "undefined")] if DEBUG else []
CHECKED = ["-O1", "-g", "-UNDEBUG", "-fno-wrapv", "-fno-sanitize-recover=undefined", "-Wno-maybe-uninitialized"]
DIRECTIVES = {
    "language_level": 3,
    "freethreading_compatible": True,
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "overflowcheck": DEBUG,
    "wraparound": False,
    "embedsignature": True,
    "auto_pickle": False,
}
FLAGS = ["-std=c++17", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-function"]
FLAGS += CHECKED + SANITIZE if DEBUG else ["-O3", "-g0"]
HEADERS = sorted(str(path) for path in Path("mediation").rglob("*.hpp"))


def extension(source):
    return Extension(
        ".".join(source.with_suffix("").parts),
        [str(source)],
        language="c++",
        include_dirs=["mediation"],
        depends=HEADERS,
        extra_compile_args=FLAGS,
        extra_link_args=SANITIZE,
    )


setup(
    ext_modules=cythonize(
        [extension(path) for path in sorted(Path("mediation").rglob("_*.pyx"))],
        compiler_directives=DIRECTIVES,
        build_dir="build/cython",
        nthreads=os.cpu_count() or 1,
    )
)
