"The stored reference runs say what today's rules say of them, and the findings say no more."

import importlib.util
from types import SimpleNamespace

import pandas as pd
import pytest
from conftest import ROOT

REFERENCE = ROOT / "results/reference"
RUNS = sorted(f.parent.name for f in REFERENCE.glob("*/claims.csv"))


def workflow(name: str):
    "A script of workflow/ as a module."
    spec = importlib.util.spec_from_file_location(name, ROOT / "workflow" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("run", RUNS)
def test_claims_are_decided_by_todays_rule(run, monkeypatch):
    reference = workflow("reference")
    written = []
    monkeypatch.setattr(reference, "write_table", lambda df, path: written.append(path))
    assert len(reference.decided_today(REFERENCE / run))
    assert written == []


def test_runs_with_baselines_have_a_claim_of_them(monkeypatch):
    "And none of one that is told the real pose."
    reference = workflow("reference")
    labels = dict(wav2lip="Wav2Lip-style", pcavs="PC-AVS-style (oracle pose)")
    run = SimpleNamespace(compared=labels)
    monkeypatch.setattr(reference, "runs_beside", lambda folder: dict(toy=run))
    parts = pd.DataFrame(dict(run=["toy", "toy"], letter=["a", "j"], b=["", "X (official)"]))
    asked = reference.claims_asked(parts, REFERENCE)
    assert {p["b"] for p in asked["i"]["parts"]} == {"Wav2Lip-style"}
    assert {p["b"] for p in asked["j"]["parts"]} == {"X (official)"}


def claim_a() -> pd.DataFrame:  # a row a scale, the finest first
    "The multi-scale against the single-scale loss, ten trainings."
    parts = pd.read_csv(REFERENCE / "loss/claims.csv", dtype=dict(letter=str, looks=str))
    parts = parts[(parts.letter == "a") & (parts.verdict != "not measured")]
    return parts.set_index("place").loc[["200 ms", "400 ms", "800 ms", "1600 ms"]]


def test_claim_a_was_looked_at_three_times():
    assert set(claim_a().looks) == {"3, 5, 10"}


def test_findings_repeat_claim_a():
    told = {}
    for line in (ROOT / "book/findings.md").read_text().splitlines():
        name, *cells = (c.strip() for c in line.strip("|").split("|"))
        told[name] = cells
    a = claim_a()
    spans = [f"[{low:.2f}, {high:.2f}]" for low, high in zip(a.low_trainings, a.high_trainings)]
    assert told["interval over trainings, three looks"] == spans
    values = [f"{v:.2f}" for v in a["value"]]
    assert told["multi-scale minus single-scale loss, AV-Conf"] == values
    assert told["larger in how many of ten"][1:] == [f"{n:.0f}" for n in a.seeds_holding[1:]]


def test_findings_repeat_the_end_of_the_curves():
    text = (REFERENCE / "loss/claims.md").read_text()
    table = text[text.index("## The end of the trainings' curves") :]
    found = (ROOT / "book/findings.md").read_text()
    rows = [line for line in table.splitlines() if line.startswith("| MS-Sync-short less")]
    means = [row.split("|")[4].strip() for row in rows]  # 0.66 [0.33, 1.00], 10 of 10 above 0
    for k, name in enumerate(("over the last three", "its interval over trainings")):
        line = next(x for x in found.splitlines() if x.startswith(f"| {name}"))
        cells = [c.strip() for c in line.strip("|").split("|")][1:]
        assert cells == [
            (m.split(" ", 1)[0], m.split(" ", 1)[1].rsplit(",", 1)[0])[k] for m in means
        ]
