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
from mssync.metrics.frechet import frame_axes, frechet, frechet_features
from mssync.study.evaluation import progress_row
from mssync.study.run import Study

TABLE = Path(__file__).resolve().parent.parent / "data/guidance.csv"
GUIDANCE = 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0  # 0: without sound; 1: none
FRAMES = 80  # that are scored


@torch.no_grad()
def measured(study: Study, G, seed: int) -> dict[str, float]:
    "Synchrony, speeds, residual and FMD_40 of a network, on the test clips."
    train, test = study.packed("train"), study.packed("test")
    x, a, _ = test.windows(FRAMES)
    metric = study.at(seed).network("syncers_metric")
    row = progress_row(G, x, a, metric, shape_space(train), FRAMES, seed)
    encoders = {40: study.at(seed).encoders()[40]}
    axes = frame_axes(train)
    real, made = (frechet_features(v, axes, encoders) for v in (x, remade(G, x, a, seed)))
    kept = {k: v for k, v in row.items() if not k.startswith("AV-Off")}
    return kept | dict(FMD_40=frechet(real["FMD_40"], made["FMD_40"]))


def main(results: Path):
    study = Study("baselines", results)
    rows = []
    for seed in study.seeds:
        one = study.at(seed)
        G = one.network("baseline_flow")
        for w in GUIDANCE:
            G.cfg.guidance = w
            rows.append(dict(method="Flow-style", guidance=w, seed=seed) | measured(study, G, seed))
            print(rows[-1], flush=True)
        short = measured(study, one.network("generator_short"), seed)
        rows.append(dict(method="MS-Sync-short", seed=seed) | short)
    df = pd.DataFrame(rows)
    write_atomic(TABLE, df.to_csv(index=False, float_format="%.3f").encode())
    print(df.groupby(["method", "guidance"], dropna=False).mean().round(2).to_string())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
