"""The build hook: a wheel always carries a blocking twin that was generated from the async source beside it.

Everything else is in pyproject.toml. An editable install takes the committed twin as it is: regenerating there would
hide from `gen_sync.py --check` that somebody forgot to commit it.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class BuildPy(build_py):
    """Generate the twin, and build from an empty directory, so that no module of an earlier build is shipped."""

    def run(self) -> None:
        if not self.editable_mode:
            _generate()
            shutil.rmtree(Path(self.build_lib, "llm_client"), ignore_errors=True)
        super().run()


def _generate() -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import gen_sync
    except ImportError as error:
        # Without unasync (`--no-build-isolation`) the committed twin is what there is, and CI has checked it.
        warnings.warn(f"the blocking twin is shipped as committed: {error}", stacklevel=2)
    else:
        gen_sync.generate(ROOT, only=("src",))
    finally:
        sys.path.remove(str(ROOT / "scripts"))


setup(cmdclass={"build_py": BuildPy})
