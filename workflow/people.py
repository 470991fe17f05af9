"""What ships for recorded people, metric syncers and a generator, from a folder of GRID's videos.

`python workflow/people.py VIDEOS OUT` ingests VIDEOS (folders s1 to s34 as the archive has them, or
any folders with a table of speakers) into OUT/grid, deals the talkers to training, validation and
test, makes simulated speakers in OUT/simulated, trains on both by the profile `people`, measures on
talkers that no training saw, and writes OUT/metric_syncers.safetensors and OUT/people.csv. What is
done stays; the same command goes on. `--alone` learns from the talkers alone, to compare.

`--generator` goes on with the generator, by the profile `people_generator`: simulated speakers are
mixed with two talkers of GRID (notebook 79_followed), and a generator of each of the profile's
seeds is written, OUT/generator_0.safetensors and so on.

`--others CORPUS` measures on the people of another ingested corpus too. Nothing that ships learns
from them; two judges of the generator do, which do not ship (OUT/followed.csv, OUT/lasting.csv) and
which say, too, what more people would be worth to the metric syncers (OUT/ceiling.csv). A third
judges choices (OUT/choice.csv), that of the training that ships among them. How often lips meet is
counted by pocketsphinx (OUT/closures.csv). `--ship` puts the weights into the package.
"""

import argparse
import copy
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch

from mssync.app.animate import FACE, HEAD, load_heads
from mssync.data.audio import SR
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
    CHOICE_TALKERS,
    GENERATOR_TALKERS,
    PEOPLE,
    RealFaces,
    Speaking,
    choice_corpus,
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
    people_corpus,
    people_table,
    train_people,
    unseen_rows,
    unseen_table,
)
from mssync.study.profiles import load_profile

ROOT = Path(__file__).resolve().parent.parent
REAL = {"data, at rest": 0.0, "data, shown": HEAD}  # how much their new head moves
JUDGES = {"frontal": True, "steady": False}  # whether they turn faces to the front


def options() -> argparse.Namespace:
    "What the command is asked for."
    p = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    p.add_argument("videos", metavar="VIDEOS")
    p.add_argument("out", metavar="OUT", type=Path)
    p.add_argument("--layout", default="grid", help="of VIDEOS, as of mssync ingest")
    p.add_argument("--others", metavar="CORPUS", help="ingested clips of other people, to measure")
    p.add_argument("--profile", default="people")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--alone", action="store_true", help="no simulated speakers beside the talkers")
    p.add_argument("--generator", action="store_true", help="train the generator too")
    p.add_argument("--ship", action="store_true", help="write mssync/weights/people too")
    return p.parse_args()


def speaking(made: list[Generator], heads: Generator) -> dict[str, Speaking]:
    "What knows no person, and every training with its head at rest and as `animate` shows it."
    compared = dict(simulated=Speaking(load_model("simulated/generator")))
    for k, G in enumerate(made):
        compared |= {f"face {k}": Speaking(G), f"shown {k}": Speaking(G, heads, HEAD)}
    return compared


def faces(G: Generator, heads: Generator) -> dict[str, Speaking]:
    "What was chosen from: whose face is moved, its head at rest, and how far its lips go."

    def moved(**options):
        other = copy.deepcopy(G)
        other.cfg = replace(G.cfg, **options)
        return other

    as_it_is = moved(lips=1.0, shut=0.0)
    as_it_is.face[1] = 0
    tried = {
        "own": moved(mean_face=False, lips=1.0),
        "mean": moved(talker="", lips=1.0),
        "talker's, mouth as it is": as_it_is,
        "talker's": moved(lips=1.0, shut=0.0),
    }
    tried |= {f"talker's, lips {n:g}": moved(lips=n, shut=0.0) for n in (1.4, 1.8)}
    tried["talker's, as it ships"] = G
    shown = {f"{name}, shown": Speaking(g, heads, HEAD) for name, g in tried.items()}
    return {name: Speaking(g) for name, g in tried.items()} | shown


def simulated(out: Path) -> Path:
    "Simulated speakers, where they are not there yet."
    settings = load_profile("people_generator")["corpus"]
    made = {k: settings[k] for k in ("clips", "speakers", "seconds")}
    simulate_corpus(out / "simulated", **made)
    return out / "simulated"


def make_generator(out: Path, seed: int) -> tuple[Generator, dict]:
    "Train a generator, where it is not there yet."
    path = out / f"generator_{seed}.safetensors"
    if not path.is_file():
        settings = load_profile("people_generator")
        if not (out / "learnt" / "clips.csv").is_file():
            generator_corpus(out / "learnt", out / "grid", simulated(out))
        G, about = train_follower(out / "learnt", settings, seed)
        save_model(path, G, half=True, **about)
    G = load_model(path)
    return G, G.meta


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


def write_table(table: pd.DataFrame, path: Path):
    "Write and show a table, the number of the training apart; what is of none has number 0."
    parts = table.generator.str.extract(r"^(.*?)(?: ([0-9]+))?$")
    table = table.assign(generator=parts[0], training=parts[1].fillna(0).astype(int))
    table.to_csv(path, index=False, float_format="%.4f")
    print(table.to_string())


def measure_generators(made: list[Generator], out: Path, others: str, seed: int):
    "What the generators are worth with strangers' voices."
    settings = load_profile("people_generator")
    folders, level = judge_corpora(out, out / "grid", others)
    kinds = {
        name: [(f, train_judge(f, level, settings, seed, frontal)) for f in folders]
        for name, frontal in JUDGES.items()
    }
    judges = kinds["frontal"]
    measure_ceiling(judges, out)
    space = shape_space(Packed(folders[0], "train"))
    folder, judge = judges[0]
    x, a, about = unseen_windows(Packed(folder, "test", audio_stats_of(judge)))
    strangers = torch.tensor((about.source != "GRID").to_numpy())
    sounds = without_level(a[strangers], judge)
    heads = load_heads()
    real = {name: RealFaces(heads, head) for name, head in REAL.items()}
    compared = speaking(made, heads)
    tables = [
        followed_measures(j, space, real | compared).assign(judge=k) for k, j in kinds.items()
    ]
    write_table(pd.concat(tables), out / "followed.csv")
    write_table(lasting(x[strangers], sounds, space, compared), out / "lasting.csv")


def closures(videos: str, out: Path, choice: bool) -> tuple[list, list]:
    "Clips of GRID's talkers whom the generator has not heard, and when their lips must meet."
    index = read_index(out / "grid")
    index = index[(index.split != "") & ~index.speaker.isin(GENERATOR_TALKERS)]
    index = index[index.speaker.isin(CHOICE_TALKERS) == choice]
    files = pd.read_csv(out / "grid" / "report.csv").set_index("id").file
    clips = []
    times = []
    for row in index.to_dict("records"):
        sentence = grid_sentence(row["id"])
        if sentence:
            clips.append(read_clip(out / "grid", row))
            wave = read_audio(Path(videos) / files[row["recording"]], SR, row["start_s"])
            times.append(closure_times(wave, sentence))
    return clips, times


def measure_closures(made: list[Generator], videos: str, out: Path):
    "How often lips meet at /p/, /b/ and /m/, of talkers by whom nothing was chosen."
    of = closures(videos, out, choice=False)
    write_table(closures_measured(*of, speaking(made, load_heads())), out / "closures.csv")


def measure_choice(made: list[Generator], videos: str, out: Path, others: str, seed: int):
    "Whose face is moved, and how far its lips go: what validation people say."
    settings = load_profile("people_generator")
    folder, level = choice_corpus(out, out / "grid", others)
    judges = [(folder, train_judge(folder, level, settings, seed))]
    space = shape_space(Packed(folder, "train"))
    heads = load_heads()
    compared = {f"{name} {k}": s for k, G in enumerate(made) for name, s in faces(G, heads).items()}
    table = followed_measures(judges, space, compared)
    if find_spec("pocketsphinx"):
        of = closures(videos, out, choice=True)
        met = closures_measured(*of, compared).drop(columns="speakers")
        table = table.merge(met, on="generator")
    write_table(table, out / "choice.csv")


def chosen(out: Path) -> int:
    "The training that fits the voices of validation people best; the first if none was asked."
    if not (out / "choice.csv").is_file():
        return 0
    t = pd.read_csv(out / "choice.csv")
    t = t[(t.generator == "talker's, as it ships, shown") & (t.people == PEOPLE[False])]
    return int(t[t.scale_ms < 1600].groupby("training").more.mean().idxmax())


def make_syncers(a: argparse.Namespace) -> tuple[SyncerPyramid, dict]:
    "Train the metric syncers, where they are not there yet."
    path = a.out / "metric_syncers.safetensors"
    if not path.is_file():
        heard = a.out / "grid" if a.alone else a.out / "heard"
        if not (heard / "clips.csv").is_file():
            people_corpus(heard, a.out / "grid", simulated(a.out))
        how = dict(seed=a.seed, folder=a.out, voices=a.out / "grid")
        syncers, about = train_people(heard, load_profile(a.profile), **how)
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
        found = [make_generator(a.out, s) for s in load_profile("people_generator")["seeds"]]
        made = [G for G, _ in found]
        if a.others:
            measure_choice(made, a.videos, a.out, a.others, a.seed)
            measure_generators(made, a.out, a.others, a.seed)
        if find_spec("pocketsphinx"):
            measure_closures(made, a.videos, a.out)
        else:
            print("pocketsphinx is not installed: how often lips meet is not counted")
        if a.ship:
            best = chosen(a.out)
            path = ROOT / "mssync" / "weights" / f"{FACE}.safetensors"
            save_model(path, made[best], half=True, **found[best][1])
