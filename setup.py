"""Only the extension modules; everything else is in pyproject.toml.

MEDIATION_DEBUG=1 adds checks and the sanitizers of MEDIATION_SANITIZE; MEDIATION_FLAGS go to compiler and linker."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("MEDIATION_DEBUG") == "1"
GIVEN = ["-fsanitize=" + os.environ.get("MEDIATION_SANITIZE", "undefined")] if DEBUG else []
GIVEN += os.environ.get("MEDIATION_FLAGS", "").split()
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
FLAGS += [*(CHECKED if DEBUG else ["-O3", "-g0"]), *GIVEN]


def extension(source):
    return Extension(
        ".".join(source.with_suffix("").parts),
        [str(source)],
        language="c++",
        include_dirs=["mediation"],
        depends=sorted(map(str, Path("mediation").rglob("*.hpp"))),
        extra_compile_args=FLAGS,
        extra_link_args=GIVEN,
    )


MODULES = [extension(path) for path in sorted(Path("mediation").rglob("_*.pyx"))]
setup(
    ext_modules=cythonize(
        MODULES, compiler_directives=DIRECTIVES, build_dir="build/cython", nthreads=os.cpu_count() or 1
    ),
    options={"build_ext": {"parallel": True}},
)
