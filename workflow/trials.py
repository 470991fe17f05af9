"""Tuning trials of the baselines, listed in workflow/trials.yaml.

    python workflow/trials.py WORK                 what data/baseline_trials.csv does not have yet
    python workflow/trials.py WORK wav2lip flow    only of these

WORK is a folder for the corpus. A trial that is in the table is not run again. What a trial gave is
measured on split `val`, which is neither trained on nor tested on.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import torch
import yaml

from mssync.baselines.fit import BaselineTraining, fit
from mssync.baselines.systems import BASELINES, chosen_trials
from mssync.data.files import write_atomic
from mssync.data.packed import Packed
from mssync.metrics.dynamics import shape_space
from mssync.model.layers import audio_stats_of
from mssync.model.weights import load_model
from mssync.simulate.clips import simulate_corpus
from mssync.study.evaluation import progress_row

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "workflow/trials.yaml"
TABLE = ROOT / "data/baseline_trials.csv"
FRAMES = 74  # that are judged


def configs(plan: dict, name: str, trial: dict) -> tuple:
    "Shape and training of a trial."
    cls = BASELINES[name]
    shape = cls.Config(**plan["shape"] | trial.get("shape", {}))
    return cls, shape, BaselineTraining(**plan["training"] | trial.get("training", {}))


def said(trial: dict) -> str:
    "A trial as it stands in the table."
    return json.dumps({k: v for part in trial.values() for k, v in part.items()})


def missing(plan: dict, known: pd.DataFrame, names: list[str]):
    "Name and trial of what the table does not have: the first of every baseline, the second, ..."
    have = set(zip(known.baseline, known.trial)) if len(known) else set()
    for trials in zip(*(plan["trials"][name] for name in names), strict=True):
        for name, trial in zip(names, trials):
            if (name, said(trial)) not in have:
                yield name, trial


def corpus(plan: dict, work: Path) -> dict[str, Packed]:
    "The clips of training and of judging."
    if not (work / "clips.csv").is_file():
        simulate_corpus(work, **plan["corpus"], progress=False)
    expert = load_model("simulated/loss_syncers")
    stats = audio_stats_of(expert)  # what the syncers know sound by
    return {split: Packed(work, split, stats) for split in ("train", "val")}


def run(plan: dict, clips: dict[str, Packed], name: str, trial: dict) -> dict:
    "What a trial gave, as a row."
    began = time.process_time()
    cls, shape, training = configs(plan, name, trial)
    expert = load_model("simulated/loss_syncers")
    G, _ = fit(cls, clips["train"], shape, training, expert, progress=False)
    metric = load_model("simulated/metric_syncers")
    x, a, _ = clips["val"].windows(FRAMES)
    with torch.no_grad():
        row = progress_row(G, x, a, metric, shape_space(clips["train"]), training.frames)
    about = dict(baseline=name, trial=said(trial), steps=training.steps)
    row = {k: float(v) for k, v in row.items() if not k.startswith("AV-Off")}
    return about | row | dict(cpu_seconds=round(time.process_time() - began))


def main(work: Path, names: list[str]):
    plan = yaml.safe_load(LIST.read_text())
    known = pd.read_csv(TABLE) if TABLE.is_file() else pd.DataFrame()
    clips = corpus(plan, work)
    for name, trial in missing(plan, known, names or list(plan["trials"])):
        row = run(plan, clips, name, trial)
        print(row, flush=True)
        known = pd.concat([known, pd.DataFrame([row])], ignore_index=True)
        write_atomic(TABLE, known.to_csv(index=False, float_format="%.3f").encode())
    print(chosen_trials(known).to_string())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
