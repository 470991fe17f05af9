"""How finely syncers may see: the floor of their whitening (notebook 23c_floor).

    make study PROFILE=baselines
    python workflow/floors.py results/baselines          some minutes a floor and seed

For every floor both pyramids of syncers are trained as the study trains them (all floors with the
first seed, two with all seeds), and with the loss syncers of the two MS-Sync-short, free to move in
all directions (`span` 0). Networks are kept in the study's folder `floors` and not trained again.
data/floors.csv has retrieval of held-out windows, and AV-Conf by each floor's metric syncers on the
test clips, of motion as it is and of its part along the directions in which faces move.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
from hidden import confidences

from mssync.baselines.fit import remade
from mssync.data.files import write_atomic
from mssync.model.generator import Generator
from mssync.model.syncer import SyncerPyramid
from mssync.model.weights import load_model, save_model
from mssync.study.evaluation import TRUTH
from mssync.study.profiles import gan_configs, syncer_config, syncer_training
from mssync.study.run import Study
from mssync.training.gan import train_gan
from mssync.training.syncers import held_out_row, train_syncers

TABLE = Path(__file__).resolve().parent.parent / "data/floors.csv"
FLOORS = 1e-4, 3e-3, 0.03, 0.3
COMPARED = 1e-4, 0.03  # with all seeds, and by generators


def syncers(study: Study, role: str, floor: float) -> tuple[SyncerPyramid, dict]:
    "Trained, or read where they were; and how they do on held-out windows."
    clips = study.packed("train" if role == "loss" else "metric")
    held_out = study.packed("val")
    cfg = replace(syncer_training(study.settings, role), floor=floor)
    file = study.results / f"floors/{role}_{floor:g}_seed_{study.seed}.safetensors"
    if not file.is_file():
        shape = syncer_config(study.settings, role, clips)
        seed = study.seed + 1000 * (role == "metric")
        network, _ = train_syncers(clips, held_out, shape, cfg, seed)
        save_model(file, network)
    network = load_model(file)
    return network, held_out_row(network, held_out, cfg)


def generator(study: Study, judged_by: SyncerPyramid, floor: float) -> Generator:
    "MS-Sync-short, trained with these loss syncers, or read."
    shape, disc, cfg = gan_configs(study.settings, "short", study.packed("train"))
    folder = study.results / "floors"
    file = folder / f"generator_{floor:g}_seed_{study.seed}.safetensors"
    if not file.is_file():
        taught = folder / f"taught_seed_{study.seed}.safetensors"
        given = study.packed("train"), judged_by, shape, disc, replace(cfg, span=0)
        save_model(file, train_gan(*given, study.seed, taught=taught)[0])
    return load_model(file)


def rows_of(study: Study, floors: tuple) -> list[dict]:
    "Of a seed."
    loss = {f: syncers(study, "loss", f) for f in floors}
    metric = {f: syncers(study, "metric", f) for f in floors}
    rows = []
    for role, found in (("loss", loss), ("metric", metric)):
        rows += [dict(floor=f, role=role) | row for f, (_, row) in found.items()]

    x, a, _ = study.packed("test").windows(study.lengths["sync"])
    motions = {TRUTH: x}
    for floor in COMPARED:
        G = generator(study, loss[floor][0], floor)
        motions[f"loss syncers of {floor:g}"] = remade(G, x, a, study.seed)
    for floor, (network, _) in metric.items():
        for motion, kept, scores in confidences(study, network, motions, a):
            row = {f"AV-Conf_{i}": v for i, v in enumerate(scores.mean(0), 1)}
            rows.append(dict(floor=floor, motion=motion, directions=kept) | row)
    return [dict(seed=study.seed) | row for row in rows]


def main(results: Path):
    study = Study("baselines", results)
    rows = rows_of(study.at(study.seeds[0]), FLOORS)
    for seed in study.seeds[1:]:
        rows += rows_of(study.at(seed), COMPARED)
    table = pd.DataFrame(rows)
    write_atomic(TABLE, table.to_csv(index=False, float_format="%.4f").encode())
    print(table.groupby(["floor", "role"]).mean(numeric_only=True).round(3).to_string())
    print(table.groupby(["motion", "directions", "floor"]).mean(numeric_only=True).round(2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
