"""What ships for recorded people, metric syncers and a generator, from a folder of GRID's videos.

`python workflow/people.py VIDEOS OUT` ingests VIDEOS (folders s1 to s34 as the archive has them, or
any folders with a table of speakers) into OUT/grid, deals the talkers to training, validation and
test, trains by the profile `people`, measures on talkers that no training saw, and writes
OUT/metric_syncers.safetensors and OUT/people.csv. What is done stays; the same command goes on.

`--generator` goes on with the generator, by the profile `people_generator`: simulated speakers are
made in OUT/simulated and mixed with two talkers of GRID (notebook 79_followed), and
OUT/generator.safetensors is written.

`--others CORPUS` measures on the people of another ingested corpus too. Nothing that ships learns
from them; a judge of the generator does, which does not ship (OUT/followed.csv). `--ship` puts the
weights into the package.
"""

import argparse
from pathlib import Path

import pandas as pd

from mssync.data.ingest import ingest
from mssync.data.packed import Packed
from mssync.metrics.dynamics import shape_space
from mssync.model.weights import save_model
from mssync.simulate.clips import simulate_corpus
from mssync.study.followed import followed_measures, generator_corpora, train_follower, train_mixed
from mssync.study.people import calibration_rows, deal_people, train_people, unseen_table
from mssync.study.profiles import load_profile

ROOT = Path(__file__).resolve().parent.parent


def options() -> argparse.Namespace:
    "What the command is asked for."
    p = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    p.add_argument("videos", metavar="VIDEOS")
    p.add_argument("out", metavar="OUT", type=Path)
    p.add_argument("--layout", default="grid", help="of VIDEOS, as of mssync ingest")
    p.add_argument("--others", metavar="CORPUS", help="ingested clips of other people, to measure")
    p.add_argument("--profile", default="people")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--generator", action="store_true", help="train the generator too")
    p.add_argument("--ship", action="store_true", help="write mssync/weights/people too")
    return p.parse_args()


def make_generator(out: Path, others: str | None, seed: int):
    "Train the generator; with other people, a judge too, and measure."
    settings = load_profile("people_generator")
    made = {k: settings["corpus"][k] for k in ("clips", "speakers", "seconds")}
    simulate_corpus(out / "simulated", **made)
    level = generator_corpora(out, out / "grid", out / "simulated", others)
    syncers = train_mixed(out / "learnt", level, settings, "loss", seed)
    G, about = train_follower(out / "learnt", level, settings, syncers, seed)
    save_model(out / "generator.safetensors", G, half=True, **about)
    if others:
        judge = train_mixed(out / "judge", level, settings, "metric", seed)
        space = shape_space(Packed(out / "learnt", "train"))
        table = followed_measures(out / "judge", judge, space, dict(people=G))
        table.to_csv(out / "followed.csv", index=False, float_format="%.4f")
        print(table.to_string())
    return G, about


if __name__ == "__main__":
    a = options()
    corpora = {}
    settings = load_profile(a.profile)
    how = {k: v for k, v in settings["ingest"].items() if k not in ("layout", "options", "shards")}
    ingest(a.videos, a.out / "grid", a.layout, **how)
    deal_people(a.out / "grid", grid=True)
    corpora["other talkers of GRID"] = a.out / "grid"
    if a.others:
        deal_people(a.others, grid=False)
        corpora["people of other corpora"] = a.others
    syncers, about = train_people(a.out / "grid", settings, a.seed, a.out / "training")
    save_model(a.out / "metric_syncers.safetensors", syncers, half=True, **about)
    table = pd.concat(
        [unseen_table(syncers, folder).assign(people=who) for who, folder in corpora.items()]
    )
    table.to_csv(a.out / "people.csv", index=False, float_format="%.4f")
    print(table.to_string())
    if a.ship:
        shipped = ROOT / "mssync" / "weights"
        (shipped / "people").mkdir(exist_ok=True)
        save_model(shipped / "people" / "metric_syncers.safetensors", syncers, half=True, **about)
        name = list(corpora)[-1]  # the furthest from the training
        last = table[table.people == name]
        said = f"{last.speakers.iloc[0]} {name}, whom they had not seen"
        known = pd.read_csv(shipped / "calibration.csv")
        rows = calibration_rows(last, "people", said)
        known = pd.concat([known[known.weights != "people"], rows])
        known.to_csv(shipped / "calibration.csv", index=False)
    if a.generator:
        G, about = make_generator(a.out, a.others, a.seed)
        if a.ship:
            save_model(shipped / "people" / "generator.safetensors", G, half=True, **about)
