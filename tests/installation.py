"""An environment in which unicomp comes from its wheel, and nothing from this repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Distributions:
    """What `python -m build` makes."""

    sdist: Path
    wheel: Path


@cache
def repository_files() -> tuple[str, ...]:
    """The files of the repository, relative to it: all that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(name for name in listed.split("\0") if name and (REPOSITORY / name).is_file())


def built(folder: Path) -> Distributions:
    """Build the sdist from a copy of the repository, and the wheel from the sdist."""
    source = folder / "source"
    for name in repository_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "-o", folder / "dist", source],
        check=True,
        capture_output=True,
    )
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    return Distributions(sdist, wheel)


@dataclass(frozen=True)
class Installation:
    """A virtual environment with the wheel; the dependencies are those of the running one."""

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.folder / "bin" / "python"

    @property
    def site(self) -> Path:
        """The folder with the installed packages."""
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.folder / "lib" / python / "site-packages"

    def run(self, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments in `folder`; the store is `folder`/home."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "PYTHON", "UNICOMP_", "VIRTUAL_ENV"))
        }
        return subprocess.run(
            [self.python, "-P", *map(str, arguments)],
            cwd=folder,
            env={
                **inherited,
                "PATH": os.pathsep.join([str(self.python.parent), os.environ["PATH"]]),
                "UNICOMP_HOME": str(folder / "home"),
                "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def pytest(self, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run pytest in `folder`."""
        return self.run(folder, "-m", "pytest", "-p", "no:cacheprovider", *arguments)


def installed(wheel: Path, folder: Path) -> Installation:
    """Install the wheel into a new environment that can import the dependencies too.

    The folder of the dependencies is named by a `.pth` file. Python does not read the `.pth` files
    of such a folder, so that an editable install of this repository stays without effect there.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    there = Installation(folder)
    pip = [sys.executable, "-m", "pip", "-q", "--python", there.python]
    options = ["--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*pip, "install", *options, wheel], check=True)
    own = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (there.site / "dependencies.pth").write_text("\n".join(sorted(own)) + "\n")
    return there
