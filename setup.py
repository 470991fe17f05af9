"""All that describes the package is in settings.ini; this hands it to setuptools."""

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=["="], interpolation=None)
config.read(here / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]
END = "_requirements"
extras = {key.removesuffix(END): cfg[key].split() for key in cfg if key.endswith(END)}
extras["study"] += [r for name in ("train", "ingest", "speech") for r in extras[name]]
extras["all"] = sorted({req for reqs in extras.values() for req in reqs})
readme = here / "README.md"

setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=readme.read_text(encoding="utf-8") if readme.exists() else "",
    long_description_content_type="text/markdown",
    author=cfg["author"],
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=cfg["keywords"],
    python_requires=f">={cfg['min_python']}",
    packages=[*find_packages(include=["mssync", "mssync.*"]), "mssync.profiles"],
    package_dir={"mssync.profiles": "workflow/profiles"},
    package_data={
        "mssync": ["style.mplstyle", "study/page.css", "app/demo.html", "weights/*", "weights/*/*"],
        "mssync.profiles": ["*.yaml"],
    },
    install_requires=cfg["requirements"].split(),
    extras_require=extras,
    entry_points={
        "console_scripts": cfg["console_scripts"].split(),
        "nbdev": [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"],
    },
    zip_safe=False,
)
