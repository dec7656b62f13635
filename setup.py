"""Which packages flowc consists of and which folders hold them; all else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["flowc", "flowc.*"]), "flowc.grammar", *find_packages("runtime")],
    package_dir={"flowc.grammar": "grammar", "flowc_runtime": "runtime/flowc_runtime"},
)
