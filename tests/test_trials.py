"The baselines' tuning trials: as many for each, all possible, and the table is of the list."

import importlib.util

import pandas as pd
import pytest
import yaml
from conftest import ROOT

from mssync.baselines.systems import BASELINES, chosen_trials

PLAN = yaml.safe_load((ROOT / "workflow/trials.yaml").read_text())


@pytest.fixture(scope="module")
def trials():
    spec = importlib.util.spec_from_file_location("trials", ROOT / "workflow/trials.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_baseline_has_as_many(trials):
    assert set(PLAN["trials"]) == set(BASELINES)
    assert {len(of) for of in PLAN["trials"].values()} == {8}  # as MS-Sync (04_generator)
    for name, of in PLAN["trials"].items():
        assert of[0] == {}
        assert len({trials.said(trial) for trial in of}) == 8
        for trial in of:
            trials.configs(PLAN, name, trial)  # no unknown field


def test_the_table_is_of_the_list(trials):
    table = pd.read_csv(ROOT / "data/baseline_trials.csv")
    listed = {(name, trials.said(t)) for name, of in PLAN["trials"].items() for t in of}
    assert set(zip(table.baseline, table.trial)) <= listed
    assert not table.duplicated(["baseline", "trial"]).any()
    left = list(trials.missing(PLAN, table, list(PLAN["trials"])))
    assert len(left) == len(listed) - len(table)


def test_the_choice(trials):
    "The most in sync of those that are faces; of what hears nothing, the one that moves as much."
    rows = [
        dict(baseline="wav2lip", conf=3.0, shape_residual=1.0),
        dict(baseline="wav2lip", conf=5.0, shape_residual=1.4),
        dict(baseline="wav2lip", conf=9.0, shape_residual=2.0),
        dict(baseline="suhmo", conf=9.0, shape_residual=1.0, head_speed=0.1),
        dict(baseline="suhmo", conf=1.0, shape_residual=1.0, head_speed=1.2),
    ]
    rows = pd.DataFrame(rows).rename(columns=dict(conf="AV-Conf_1")).assign(lip_speed=1.0)
    assert chosen_trials(rows)["AV-Conf_1"].tolist() == [5.0, 1.0]
