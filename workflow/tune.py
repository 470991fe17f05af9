"""What a training gains by beginning with metric syncers that know other people.

`python workflow/tune.py CORPUS OUT` halves the speakers of an ingested corpus, trains on either
half and measures on the other, so that nobody is judged by syncers that have seen him. It writes
OUT/tuned.csv (measures of every trial) and OUT/gained.csv (differences of two trials on the same
speakers), both with intervals over speakers.

`python workflow/tune.py CORPUS OUT --talker NAME` asks it of one new talker, by minutes of his
video: syncers learn from everybody else in the corpus, and go on with 1, 3, 10 and 20 minutes of
him; beside them others learn from the same minutes alone. 80 of his clips are the test. It writes
OUT/minutes.csv and OUT/minutes_gained.csv, with intervals over those clips.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from mssync.data.corpus import read_index, write_index
from mssync.model.weights import load_model, save_model
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
TEST, HELD_OUT = 80, 10  # clips of a new talker
MINUTES = 1, 3, 10, 20  # of his video
SEEDS = 0, 1, 2
OTHERS = dict(steps=2000, batch=64)  # of the training on everybody else
UNTOUCHED = "0 min, everybody else's"
TALKER = {  # whether it begins with everybody else's syncers, rate, steps
    "from nothing": (False, 1e-3, 1200),
    "from everybody else's": (True, 3e-4, 300),
}


def dealt(corpus: Path, out: Path, split: pd.Series, **columns) -> Path:
    "The same clips with other splits (and columns), those that are too short left out."
    index = read_index(corpus)
    index = index.assign(split=split, **columns)
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "clips").exists():
        (out / "clips").symlink_to((corpus / "clips").resolve())
    write_index(out, index[(index.frames >= FRAMES) & (index.split != "")])
    return out


def half_corpus(corpus: Path, out: Path, half: int) -> Path:
    "The corpus with one half of the speakers to train on (four of them held out), one to test."
    index = read_index(corpus)
    speakers = sorted(index.speaker.unique())
    np.random.default_rng(0).shuffle(speakers)
    mine = speakers[half::2]
    split = index.speaker.map(
        lambda s: "train" if s in mine[4:] else "val" if s in mine else "test"
    )
    return dealt(corpus, out / f"half_{half}", split)


def everybody_else(corpus: Path, out: Path, talker: str) -> Path:
    "The corpus without a talker, every eighth speaker held out."
    index = read_index(corpus)
    speakers = sorted(set(index.speaker) - {talker})
    np.random.default_rng(0).shuffle(speakers)
    split = dict.fromkeys(speakers, "train") | dict.fromkeys(speakers[::8], "val") | {talker: ""}
    return dealt(corpus, out / "others", index.speaker.map(split))


def some_minutes(corpus: Path, out: Path, talker: str, minutes: float, seed: int) -> Path:
    "Minutes of a talker to train on; the clips of the test, always the same, count as speakers."
    index = read_index(corpus)
    mine = index[(index.speaker == talker) & (index.frames >= FRAMES)]
    order = np.random.default_rng(0).permutation(mine.index)
    test, held_out, pool = np.split(order, [TEST, TEST + HELD_OUT])
    pool = np.random.default_rng(seed).permutation(pool)
    some = pool[mine.frames[pool].cumsum().to_numpy() <= minutes * 60 * 25]
    split = pd.Series("", index=index.index)
    for name, rows in (("test", test), ("val", held_out), ("train", some)):
        split[rows] = name
    speaker = index.speaker.where(split != "test", index.id)
    return dealt(corpus, out / f"minutes_{minutes}_{seed}", split, speaker=speaker)


def trained(folder: Path, begin: str | None, rate: float, steps: int, batch=32, seed=0):
    "Syncers that learned from the training clips of a folder."
    settings = load_profile("people")
    settings["metric_syncers"] |= dict(steps=steps, lr=rate, eval_every=50, batch=batch)
    start = load_model(begin) if begin else None
    return train_people(folder, settings, seed, start=start, progress=False)[0]


def tables(of: dict[str, pd.DataFrame], pairs: list[tuple[str, str]]):
    "Measures of every trial, and differences of pairs of them."
    measured = [people_table(r).assign(trial=name) for name, r in of.items()]
    gained = [people_differences(of[a], of[b]).assign(trial=a, less=b) for a, b in pairs]
    return pd.concat(measured), pd.concat(gained)


def write(out: Path, **found: pd.DataFrame):
    "Tables as files of their names."
    for name, table in found.items():
        table.to_csv(out / f"{name}.csv", index=False, float_format="%.4f")
        print(table.to_string())


def by_halves(corpus: Path, out: Path):
    "Two minutes of other people, by the weights that ship and by trainings."
    rows = []
    for half in (0, 1):
        folder = half_corpus(corpus, out, half)
        for name, how in TRIALS.items():
            syncers = trained(folder, *how) if how else load_model(START)
            found = unseen_rows(syncers, folder)
            rows.append(found.assign(trial=name, network=half))
            print(half, name, flush=True)
    rows = pd.concat(rows)
    shipped, nothing, *begun = TRIALS
    pairs = [(a, b) for a in begun for b in (shipped, nothing)]
    tuned, gained = tables({name: rows[rows.trial == name] for name in TRIALS}, pairs)
    write(out, tuned=tuned, gained=gained)


def by_minutes(corpus: Path, out: Path, talker: str):
    "Minutes of one new talker, three trainings each."
    begin = out / "others.safetensors"
    if not begin.exists():
        folder = everybody_else(corpus, out, talker)
        syncers = trained(folder, None, 1e-3, **OTHERS)
        save_model(begin, syncers)
    folder = some_minutes(corpus, out, talker, MINUTES[0], SEEDS[0])
    of = {UNTOUCHED: [unseen_rows(load_model(begin), folder)]}  # the test is that of every folder
    for seed in SEEDS:
        for minutes in MINUTES:
            folder = some_minutes(corpus, out, talker, minutes, seed)
            for name, (begun, rate, steps) in TALKER.items():
                syncers = trained(folder, begin if begun else None, rate, steps, seed=seed)
                rows = unseen_rows(syncers, folder).assign(network=seed)
                of.setdefault(f"{minutes} min, {name}", []).append(rows)
                print(seed, minutes, name, flush=True)
    of = {name: pd.concat(rows) for name, rows in of.items()}
    nothing, begun = TALKER
    pairs = [(f"{m} min, {begun}", f"{m} min, {nothing}") for m in MINUTES]
    pairs += [(f"{m} min, {name}", UNTOUCHED) for m in MINUTES for name in TALKER]
    measured, gained = tables(of, pairs)
    write(out, minutes=measured, minutes_gained=gained)


def main(argv=None):
    "The command line."
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("corpus", type=Path, help="an ingested corpus")
    p.add_argument("out", type=Path, help="folder of the tables")
    p.add_argument("--talker", help="one speaker of it, by minutes of his video")
    a = p.parse_args(argv)
    if a.talker:
        by_minutes(a.corpus, a.out, a.talker)
    else:
        by_halves(a.corpus, a.out)


if __name__ == "__main__":
    main()
