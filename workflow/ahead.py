"""Quality against look-ahead, on simulated speakers and on recorded people (notebook 79b_ahead).

    make study PROFILE=ahead
    python workflow/ahead.py results/ahead [--people NAME=CORPUS ...]

The generators of the study, three trainings of each kind, are measured on its test clips; those
that hear the future wait for less and less of it. With `--people`, so is `people/generator`, by
`people/metric_syncers`, on the splits `val` and `test` of corpora that `deal_people` has dealt.
Writes data/ahead.csv: numbers alone.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd

from mssync.data.corpus import read_clip
from mssync.data.files import write_atomic
from mssync.data.packed import Packed
from mssync.metrics.dynamics import shape_space
from mssync.metrics.frechet import frame_axes
from mssync.model.layers import audio_stats_of
from mssync.model.weights import load_model
from mssync.study.ahead import WAITS, Tried, ahead_table
from mssync.study.followed import heard_by, unseen_windows
from mssync.study.run import Study

TABLE = Path(__file__).resolve().parent.parent / "data/ahead.csv"
SCORED = 80  # frames, as the study scores


def of_study(results: Path) -> list[pd.DataFrame]:
    "The study's generators, each with the metric syncers of the first seed as the judge."
    study = Study("ahead", results)
    train = study.packed("train")
    test = study.packed("test")
    x, a, ids = test.windows(SCORED + max(WAITS))
    about = test.index.set_index("id").loc[ids]
    sources = [read_clip(study.corpus, row) for row in about.reset_index().to_dict("records")]
    judge = study.at(study.seeds[0]).network("syncers_metric")
    tried = Tried(
        x, a, about.speaker, judge, shape_space(train), frame_axes(train), SCORED, sources
    )
    found = []
    for variant, waits in (("short", WAITS), ("causal", (0,))):
        models = [study.at(s).network(f"generator_{variant}") for s in study.seeds]
        t = ahead_table(tried, models, [a] * len(models), waits)
        found.append(t.assign(clips_of="simulated speakers", generator=study.labels[variant]))
    return found


def of_people(name: str, corpus: Path) -> pd.DataFrame:
    "The generator that ships, on people whom neither it nor the judge has seen."
    judge = load_model("people/metric_syncers")
    G = load_model("people/generator")
    G.cfg = replace(G.cfg, lips=1.0, shut=0.0)  # nothing is shown larger
    packed = Packed(corpus, ("val", "test"), audio_stats_of(judge))
    x, a, about = unseen_windows(packed)
    axes = frame_axes(packed, 64)
    tried = Tried(x, a, about.speaker, judge, shape_space(packed), axes, x.shape[1] - 1)
    t = ahead_table(tried, [G], [heard_by(G, a, judge)])
    return t.assign(clips_of=name, generator="people/generator")


def main(results: Path, people: list[str]):
    tables = of_study(results)
    for given in people:
        name, _, corpus = given.partition("=")
        tables.append(of_people(name, Path(corpus)))
    df = pd.concat(tables, ignore_index=True)
    first = ["clips_of", "generator", "wait_s", "measure"]
    df = df[first + [c for c in df if c not in first]]
    write_atomic(TABLE, df.to_csv(index=False, float_format="%.4f").encode())
    shown = df[df.measure.str.contains("AV-Conf|speed|residual|meet|FD")]
    print(shown.pivot(index=first[:3], columns="measure", values="value").round(2).to_string())


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    p.add_argument("results", metavar="RESULTS", type=Path)
    p.add_argument("--people", metavar="NAME=CORPUS", action="extend", nargs="+", default=[])
    asked = p.parse_args()
    main(asked.results, asked.people)
