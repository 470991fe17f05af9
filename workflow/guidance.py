"""What guidance does to Flow-style: more synchrony, and more motion (notebook 50_systems).

    make study PROFILE=baselines
    python workflow/guidance.py results/baselines

Guidance is a number of the sampling, so the trained networks of the study are taken as they are and
sampled with other values of it, on its test clips. Writes data/guidance.csv: numbers alone.
"""

import sys
from pathlib import Path

import pandas as pd
import torch

from mssync.baselines.fit import remade
from mssync.data.files import write_atomic
from mssync.metrics.dynamics import shape_space
from mssync.metrics.frechet import frechet
from mssync.study.evaluation import progress_row
from mssync.study.run import Study

TABLE = Path(__file__).resolve().parent.parent / "data/guidance.csv"
GUIDANCE = 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0  # 0: without sound; 1: none
FRAMES = 80  # that are scored


class Judge:
    "What measures the networks of a seed, on the test clips."

    def __init__(self, study: Study):  # of one seed
        train = study.packed("train")
        self.x, self.a, _ = study.packed("test").windows(FRAMES)
        self.seed = study.seed
        self.metric = study.network("syncers_metric")
        self.encoder = study.encoders()[40]
        self.space = shape_space(train)
        self.real = self.encoder(self.x)

    def measured(self, G) -> dict[str, float]:
        "Synchrony, speeds, residual and FMD_40 of a network."
        row = progress_row(G, self.x, self.a, self.metric, self.space, FRAMES, self.seed)
        kept = {k: v for k, v in row.items() if not k.startswith("AV-Off")}
        made = self.encoder(remade(G, self.x, self.a, self.seed))
        return kept | dict(FMD_40=frechet(self.real, made))


@torch.no_grad()
def main(results: Path):
    study = Study("baselines", results)
    rows = []
    for seed in study.seeds:
        one = study.at(seed)
        judge = Judge(one)
        G = one.network("baseline_flow")
        for w in GUIDANCE:
            G.cfg.guidance = w
            rows.append(dict(method="Flow-style", guidance=w, seed=seed) | judge.measured(G))
            print(rows[-1], flush=True)
        short = judge.measured(one.network("generator_short"))
        rows.append(dict(method="MS-Sync-short", seed=seed) | short)
    df = pd.DataFrame(rows)
    write_atomic(TABLE, df.to_csv(index=False, float_format="%.3f").encode())
    print(df.groupby(["method", "guidance"], dropna=False).mean().round(2).to_string())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
