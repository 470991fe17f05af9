"""What ships for recorded people, metric syncers and a generator, from a folder of GRID's videos.

`python workflow/people.py VIDEOS OUT` ingests VIDEOS (folders s1 to s34 as the archive has them, or
any folders with a table of speakers) into OUT/grid, deals the talkers to training, validation and
test, trains by the profile `people`, measures on talkers that no training saw, and writes
OUT/metric_syncers.safetensors and OUT/people.csv. What is done stays; the same command goes on.

`--generator` goes on with the generator, by the profile `people_generator`: simulated speakers are
made in OUT/simulated and mixed with two talkers of GRID (notebook 79_followed), and
OUT/generator.safetensors is written.

`--others CORPUS` measures on the people of another ingested corpus too. Nothing that ships learns
from them; two judges of the generator do, which do not ship (OUT/followed.csv, OUT/lasting.csv) and
which say, too, what more people would be worth to the metric syncers (OUT/ceiling.csv). How often
lips meet is counted by pocketsphinx (OUT/closures.csv). `--ship` puts the weights into the package.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch

from mssync.app.animate import FACE, RECORDED, load_heads
from mssync.data.corpus import read_clip, read_index
from mssync.data.ingest import ingest
from mssync.data.packed import Packed
from mssync.data.video import read_audio
from mssync.metrics.dynamics import shape_space
from mssync.model.generator import Generator
from mssync.model.layers import audio_stats_of
from mssync.model.syncer import SyncerPyramid
from mssync.model.weights import load_model, save_model
from mssync.simulate.clips import simulate_corpus
from mssync.study.followed import (
    GENERATOR_TALKERS,
    PEOPLE,
    Speaking,
    closure_times,
    closures_measured,
    followed_measures,
    generator_corpus,
    grid_sentence,
    judge_corpora,
    lasting,
    train_follower,
    train_judge,
    unseen_windows,
    without_level,
)
from mssync.study.people import (
    calibration_rows,
    deal_people,
    people_table,
    train_people,
    unseen_rows,
    unseen_table,
)
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


def speaking(G: Generator) -> dict[str, Speaking]:
    "What is compared: `G` on a head of its own, as `animate` shows it, and what knows no person."
    shown = Speaking(G, load_heads(), **RECORDED)
    return dict(
        simulated=Speaking(load_model("simulated/generator")), face=Speaking(G), shown=shown
    )


def make_generator(out: Path, seed: int) -> tuple[Generator, dict]:
    "Train the generator."
    settings = load_profile("people_generator")
    made = {k: settings["corpus"][k] for k in ("clips", "speakers", "seconds")}
    simulate_corpus(out / "simulated", **made)
    corpus = generator_corpus(out / "learnt", out / "grid", out / "simulated")
    G, about = train_follower(corpus, settings, seed)
    save_model(out / "generator.safetensors", G, half=True, **about)
    return G, about


def measure_ceiling(judges: list[tuple], out: Path):
    "How well syncers do on people that they have not heard where many people teach them."
    rows = [unseen_rows(judge, f).assign(network=k) for k, (f, judge) in enumerate(judges)]
    both = pd.concat(rows)
    grid = set(read_index(out / "grid").speaker)
    table = pd.concat(
        people_table(both[both.speaker.isin(grid) == known]).assign(people=who)
        for known, who in PEOPLE.items()
    )
    table.to_csv(out / "ceiling.csv", index=False, float_format="%.4f")
    print(table.to_string())


def measure_generator(G: Generator, out: Path, others: str, seed: int):
    "What the generator is worth with strangers' voices."
    settings = load_profile("people_generator")
    folders, level = judge_corpora(out, out / "grid", others)
    judges = [(f, train_judge(f, level, settings, seed)) for f in folders]
    measure_ceiling(judges, out)
    space = shape_space(Packed(folders[0], "train"))
    compared = speaking(G)
    followed = followed_measures(judges, space, compared)
    followed.to_csv(out / "followed.csv", index=False, float_format="%.4f")
    print(followed.to_string())

    folder, judge = judges[0]
    x, a, about = unseen_windows(Packed(folder, "test", audio_stats_of(judge)))
    strangers = torch.from_numpy((about.source != "GRID").to_numpy())
    sounds = without_level(a[strangers], judge)
    lasts = lasting(x[strangers], sounds, space, compared)
    lasts.to_csv(out / "lasting.csv", index=False, float_format="%.4f")
    print(lasts.to_string())


def measure_closures(G: Generator, videos: str, out: Path):
    "How often lips meet at /p/, /b/ and /m/, of GRID's talkers whom the generator has not heard."
    index = read_index(out / "grid")
    index = index[(index.split != "") & ~index.speaker.isin(GENERATOR_TALKERS)]
    files = pd.read_csv(out / "grid" / "report.csv").set_index("id").file
    clips = []
    times = []
    for row in index.to_dict("records"):
        sentence = grid_sentence(row["id"])
        if sentence:
            clips.append(read_clip(out / "grid", row))
            wave = read_audio(Path(videos) / files[row["recording"]])
            times.append(closure_times(wave, sentence))
    table = closures_measured(clips, times, speaking(G))
    table.to_csv(out / "closures.csv", index=False, float_format="%.4f")
    print(table.to_string())


def make_syncers(a: argparse.Namespace) -> tuple[SyncerPyramid, dict]:
    "Train the metric syncers, where they are not there yet."
    path = a.out / "metric_syncers.safetensors"
    if not path.is_file():
        syncers, about = train_people(a.out / "grid", load_profile(a.profile), a.seed, a.out)
        save_model(path, syncers, half=True, **about)
    syncers = load_model(path)
    return syncers, syncers.meta


def measure_syncers(syncers: SyncerPyramid, corpora: dict[str, Path], out: Path) -> pd.DataFrame:
    "What the metric syncers are worth, beside those that know no person."
    judged = dict(people=syncers, simulated=load_model("simulated/metric_syncers"))
    table = pd.concat(
        unseen_table(s, folder).assign(trained=name, people=who)
        for name, s in judged.items()
        for who, folder in corpora.items()
    )
    table.to_csv(out / "people.csv", index=False, float_format="%.4f")
    print(table.to_string())
    return table


def ship(syncers: SyncerPyramid, about: dict, table: pd.DataFrame):
    "Put the metric syncers and what their scores mean into the package."
    shipped = ROOT / "mssync" / "weights"
    save_model(shipped / "people" / "metric_syncers.safetensors", syncers, half=True, **about)
    own = table[table.trained == "people"]
    last = own[own.people == own.people.iloc[-1]]  # the furthest from the training
    said = f"{last.speakers.iloc[0]} {last.people.iloc[0]}, whom they had not seen"
    known = pd.read_csv(shipped / "calibration.csv")
    rows = calibration_rows(last, "people", said)
    known = pd.concat([known[known.weights != "people"], rows])
    known.to_csv(shipped / "calibration.csv", index=False)


if __name__ == "__main__":
    a = options()
    how = load_profile(a.profile)["ingest"]
    how = {k: v for k, v in how.items() if k not in ("layout", "options", "shards")}
    ingest(a.videos, a.out / "grid", a.layout, **how)
    deal_people(a.out / "grid", grid=True)
    corpora = {PEOPLE[True]: a.out / "grid"}
    if a.others:
        deal_people(a.others, grid=False)
        corpora[PEOPLE[False]] = a.others
    syncers, about = make_syncers(a)
    table = measure_syncers(syncers, corpora, a.out)
    if a.ship:
        ship(syncers, about, table)
    if a.generator:
        G, about = make_generator(a.out, a.seed)
        if a.ship:
            path = ROOT / "mssync" / "weights" / f"{FACE}.safetensors"
            save_model(path, G, half=True, **about)
        if a.others:
            measure_generator(G, a.out, a.others, a.seed)
        if find_spec("pocketsphinx"):
            measure_closures(G, a.videos, a.out)
        else:
            print("pocketsphinx is not installed: how often lips meet is not counted")
