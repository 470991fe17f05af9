"""Figure 4 of the reference run, by the generators that ship with the package (seed 0 of `full`).

`python workflow/figure4.py` makes the simulated corpus of that run again in a temporary folder,
takes its first test clip, and writes results/reference/full/figure4.png.
"""

import tempfile
from pathlib import Path

from mssync.baselines.reference import Retrieval
from mssync.data.packed import Packed
from mssync.model.weights import load_model
from mssync.simulate.clips import simulate_corpus
from mssync.study.figures import figure4
from mssync.study.outputs import write_figure
from mssync.study.profiles import load_profile
from mssync.study.report import sequences
from mssync.study.tables import method_styles

ROOT = Path(__file__).resolve().parent.parent
TRAINED = {"MS-Sync-short": "generator_short", "MS-Sync-long": "generator"}


def tracks(folder: str, frames: int) -> dict:
    "The first test clip: recorded, generated from its first frame and sound, and retrieved."
    train, test = (Packed(folder, split) for split in ("train", "test"))
    x, a, _ = test.windows(frames)
    weights = {
        label: ROOT / f"mssync/weights/{name}.safetensors" for label, name in TRAINED.items()
    }
    networks = {label: load_model(path) for label, path in weights.items()}
    retrieval = Retrieval(train, frames)
    made = sequences(x[:1], a[:1], networks, 0, retrieval)
    return {label: motion[0] for label, motion in made.items()}


if __name__ == "__main__":
    profile = load_profile("full")
    with tempfile.TemporaryDirectory() as folder:
        simulate_corpus(folder, **profile["corpus"], progress=False)
        made = tracks(folder, profile["evaluation"]["figure4_frames"])
    fig = figure4(made, method_styles(list(made), list(TRAINED)))
    write_figure(fig, ROOT / "results/reference/full/figure4.png")
