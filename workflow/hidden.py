"""How much of a score lies where faces do not move (notebook 24b_longer).

    make study PROFILE=baselines
    python workflow/hidden.py results/baselines baselines
    python workflow/hidden.py results/baselines baselines judges=results/loss corpus=FOLDER

Motion of the test clips is scored as it is, and again when only its part along the directions that
hold all but a share of real motion is left (`moving_directions`): by the run's own metric syncers,
or by those of the same seeds of another run on the same corpus; `floor` is that of their whitening.
The rows of data/hidden.csv with this run and this floor are written anew: numbers alone.
"""

import sys
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from mssync.baselines.fit import remade
from mssync.baselines.systems import BASELINES  # noqa: F401  (what `study.baselines` loads)
from mssync.data.files import write_atomic
from mssync.metrics.synchrony import av_scores
from mssync.model.syncer import SyncerPyramid
from mssync.study.evaluation import TRUTH
from mssync.study.run import Study, finished_run
from mssync.training.gan import moving_directions, moving_part

TABLE = Path(__file__).resolve().parent.parent / "data/hidden.csv"
SHARE = 1e-5  # of the motion of the data, left out


@torch.no_grad()
def confidences(study: Study, metric: SyncerPyramid, motions: dict[str, Tensor], a: Tensor):
    "Method, directions and AV-Conf (clips, 4), of motions and of what of them moves as faces do."
    onto = moving_directions(study.packed("train"), 40, SHARE)
    for method, y in motions.items():
        for kept, motion in (("all", y), ("moving", moving_part(y, onto))):
            yield method, kept, av_scores(metric, motion[:, 1:], a[:, 4:])["confidence"].numpy()


@torch.no_grad()
def rows_of(study: Study, metric: SyncerPyramid) -> pd.DataFrame:
    "AV-Conf of a seed's methods by speaker, with and without the directions of the share."
    packed = study.packed("test")
    x, a, ids = packed.windows(study.lengths["sync"])
    speakers = packed.index.set_index("id").speaker.loc[ids].to_numpy()
    made = {TRUTH: x}
    for name, G in (study.generators() | study.baselines()).items():
        made[name] = remade(G, x, a, study.seed)
    rows = []
    for method, kept, scores in confidences(study, metric, made, a):
        table = pd.DataFrame(scores, columns=[f"AV-Conf_{i}" for i in range(1, 5)])
        table = table.assign(speaker=speakers).groupby("speaker").mean().reset_index()
        rows.append(table.assign(method=method, directions=kept, seed=study.seed))
    return pd.concat(rows)


def main(results: Path, profile: str, judges: str = "", corpus: str = ""):
    study = Study(profile, results, corpus)
    others = finished_run(judges or results, corpus)
    floor = others.record["settings"]["metric_syncers"]["floor"]
    rows = [rows_of(study.at(s), others.at(s).network("syncers_metric")) for s in study.seeds]
    found = pd.concat(rows).assign(run=profile, floor=floor)
    first = ["run", "floor", "seed", "method", "directions", "speaker"]
    found = found[[*first, *found.columns.drop(first)]]
    shown = found.drop(columns=["seed", "floor"]).groupby(["method", "directions"])
    print(shown.mean(numeric_only=True).round(2).to_string())
    if TABLE.is_file():
        known = pd.read_csv(TABLE)
        found = pd.concat([known[(known.run != profile) | (known.floor != floor)], found])
    write_atomic(TABLE, found.to_csv(index=False, float_format="%.4g").encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], **dict(text.split("=", 1) for text in sys.argv[3:]))
