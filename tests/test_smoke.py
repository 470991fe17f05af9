"""The study runs end to end on its smallest profile, and a second run finds nothing to do."""
import csv
import io
from pathlib import Path

import pytest
from conftest import BIN, ROOT, run

pytestmark = pytest.mark.skipif(not (ROOT / "workflow/Snakefile").exists(), reason="workflow/Snakefile is not there yet")


def study(results: Path, *args: str, profile: str = "smoke"):
    return run(BIN / "python", "-m", "snakemake", "-s", "workflow/Snakefile", "--cores", "1", "--nolock", *args,
               "--config", f"profile={profile}", f"results={results}")


def outputs(results: Path) -> list[Path]:
    "The files that the workflow names as its outputs."
    table = study(results, "--summary", "--quiet", "all").stdout
    lines = table.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("output_file\t")), None)
    assert start is not None, table
    return [ROOT / row["output_file"] for row in csv.DictReader(io.StringIO("\n".join(lines[start:])), delimiter="\t")]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "smoke"
    done = study(folder)
    assert done.returncode == 0, done.stdout[-8000:]
    return folder


def test_every_output_is_there(results):
    files = outputs(results)
    assert files
    assert [str(f) for f in files if not f.exists() or (f.is_file() and f.stat().st_size == 0)] == []


def test_second_run_does_nothing(results):
    done = study(results)
    assert done.returncode == 0 and "Nothing to be done" in done.stdout, done.stdout[-4000:]


def test_deleted_file_is_made_again(results):
    files = [f for f in outputs(results) if f.suffix in (".csv", ".svg", ".png", ".pdf")]
    assert files
    files[-1].unlink()
    plan = study(results, "--dry-run")
    assert plan.returncode == 0 and str(files[-1].name) in plan.stdout, plan.stdout[-4000:]
    assert study(results).returncode == 0 and files[-1].exists()


def test_unknown_profile(tmp_path):
    done = study(tmp_path, profile="nonsense")
    assert done.returncode != 0 and "nonsense" in done.stdout
