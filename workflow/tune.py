"""What a training gains by beginning with the metric syncers that ship for recorded people.

`python workflow/tune.py CORPUS OUT` halves the speakers of an ingested corpus, trains on either
half and measures on the other, so that nobody is judged by syncers that have seen him. It writes
OUT/tuned.csv (measures of every trial) and OUT/gained.csv (differences of two trials on the same
speakers), both with intervals over speakers.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from mssync.data.corpus import read_index, write_index
from mssync.model.weights import load_model
from mssync.study.people import people_differences, people_table, train_people, unseen_rows
from mssync.study.profiles import load_profile

START = "people/metric_syncers"
FRAMES = 73  # that a clip must have
TRIALS = {  # rate and steps of the training; None: as they ship
    "as shipped": None,
    "from nothing, 300 steps": (None, 1e-3, 300),
    "from those that ship, 300 steps at 3e-4": (START, 3e-4, 300),
    "from those that ship, 100 steps": (START, 1e-3, 100),
}


def half_corpus(corpus: Path, out: Path, half: int) -> Path:
    "The corpus with one half of the speakers to train on (four of them held out), one to test."
    index = read_index(corpus)
    speakers = sorted(index.speaker.unique())
    np.random.default_rng(0).shuffle(speakers)
    mine = speakers[half::2]
    split = index.speaker.map(
        lambda s: "train" if s in mine[4:] else "val" if s in mine else "test"
    )
    index = index.assign(split=split)
    folder = out / f"half_{half}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "clips").exists():
        (folder / "clips").symlink_to((corpus / "clips").resolve())
    write_index(folder, index[index.frames >= FRAMES])
    return folder


def trained(folder: Path, how: tuple | None):
    "Syncers of one trial."
    if how is None:
        return load_model(START)
    begin, rate, steps = how
    settings = load_profile("people")
    settings["metric_syncers"] |= dict(steps=steps, lr=rate, eval_every=50, batch=32)
    start = load_model(begin) if begin else None
    return train_people(folder, settings, start=start, progress=False)[0]


if __name__ == "__main__":
    corpus, out = map(Path, sys.argv[1:3])
    rows = []
    for half in (0, 1):
        folder = half_corpus(corpus, out, half)
        for name, how in TRIALS.items():
            found = unseen_rows(trained(folder, how), folder)
            rows.append(found.assign(trial=name, network=half))
            print(half, name, flush=True)
    rows = pd.concat(rows)
    of = {name: rows[rows.trial == name] for name in TRIALS}
    table = pd.concat([people_table(r).assign(trial=name) for name, r in of.items()])
    table.to_csv(out / "tuned.csv", index=False, float_format="%.4f")
    shipped, nothing, *begun = TRIALS
    pairs = [(a, b) for a in begun for b in (shipped, nothing)]
    gained = [people_differences(of[a], of[b]).assign(trial=a, less=b) for a, b in pairs]
    pd.concat(gained).to_csv(out / "gained.csv", index=False, float_format="%.4f")
    print(pd.concat(gained).to_string())
