"""Puts catalog/, scenarios/ and app.py into the wheel as planner/_data, where an installed planner finds them."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
DATA = ("catalog", "scenarios", "app.py")


class BuildWithData(build_py):
    """Copies the data after the modules; an editable install reads them from the checkout instead."""

    def run(self) -> None:
        super().run()
        if getattr(self, "editable_mode", False):
            return
        if not (ROOT / "catalog" / "sources.csv").is_file():
            raise FileNotFoundError(
                f"{ROOT / 'catalog'}: the catalog is missing, the package would be useless without it"
            )
        target = Path(self.build_lib) / "planner" / "_data"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in DATA:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            elif source.is_file():
                shutil.copy2(source, target / name)


setup(cmdclass={"build_py": BuildWithData})
