"""Corpora of the sizes of VoxCeleb2 (II), HDTF and LRS2, to rehearse the study of the paper on.

    python workflow/rehearsal.py FOLDER [--scale 1.0] [--jobs 2]

Real corpora of these sizes cannot be passed on, and simulating 39 hours would take an hour of its
own. So a few recordings are simulated, 45 s each, and every clip is a piece of one of them: of a
length as in the corpus it stands for, at a random place, on a face that is mirrored or not and a
little wider or narrower, 12 such "speakers" a recording. Sound and motion belong together, speakers
of the test clips are of other recordings, and everything has the right shape and size; but there is
no more to be learnt from it than from the recordings it is made of, so no number of such a study
means anything. What it is for: does the study run to its end, in how much time and memory?
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mssync.data.corpus import Clip, assign_splits, write_clip, write_index
from mssync.data.landmarks import flip
from mssync.simulate.clips import draw_speaker, simulate_clip
from mssync.study.profiles import load_profile

SECONDS = 45  # of a recording
VIEWS = 12  # speakers that are made of a recording
LEAST = 40  # clips of an official part, however small the scale


def recording(i: int, seconds: float = SECONDS) -> tuple[np.ndarray, np.ndarray]:
    "Landmarks (T, 68, 2) and sound (T, 4, 26) of a simulated recording."
    clip = simulate_clip(i, draw_speaker(i), seconds=seconds)
    return clip.landmarks, clip.audio.reshape(len(clip.landmarks), 4, -1)


def voxceleb2(rng, clips: int) -> np.ndarray:
    "Frames of clips: utterances of VoxCeleb2 last 4 s and more, 7.8 s on average."
    return np.minimum(25 * (4 + rng.exponential(3.8, clips)), 25 * SECONDS - 1).astype(int)


def hdtf(rng, clips: int) -> np.ndarray:
    "Frames of clips: long videos, cut at 1024 frames."
    return rng.integers(500, 1025, clips)


def lrs2(rng, clips: int) -> np.ndarray:
    "Frames of sentences: 36 on average, 155 at most; `mssync ingest` keeps those of 41 and more."
    return np.clip(16 + rng.exponential(20, clips), 16, 155).astype(int)


def plan(name: str, scale: float, rng) -> list[tuple[str, int]]:
    "Official split and frames of every clip of a corpus."
    n = {k: max(LEAST, round(v * scale)) for k, v in SIZES[name].items()}
    if name == "hdtf":
        return [("dev", f) for f in hdtf(rng, n["dev"])] + [("test", 81)] * n["test"]
    lengths = dict(voxceleb2=voxceleb2, lrs2=lrs2)[name]
    return [(split, f) for split in n for f in lengths(rng, n[split])]


SIZES = dict(  # clips of the official parts
    voxceleb2=dict(dev=18_000, test=500),
    hdtf=dict(dev=360, test=1058),
    lrs2=dict(train=4_000, val=1_082, test=1_243),  # of its 45,839 training sentences some
)


def piece(
    tracks: list,  # of `recording`
    held: int,  # the last so many are for test clips
    name: str,
    k: int,
    split: str,
    frames: int,
) -> Clip:
    "Clip k of a corpus."
    rng = np.random.default_rng([k, len(name)])
    some = range(len(tracks) - held, len(tracks)) if split == "test" else len(tracks) - held
    source = int(rng.choice(some))
    view = int(rng.integers(VIEWS))
    x, a = tracks[source]
    start = int(rng.integers(0, len(x) - frames))
    x = x[start : start + frames]
    if view % 2:
        x = flip(x)
    width = 0.9 + 0.2 * (view // 2) / (VIEWS // 2 - 1)  # of this speaker's face
    x = np.stack((0.5 + width * (x[..., 0] - 0.5), x[..., 1]), -1)
    a = a[start : start + frames].reshape(4 * frames, -1)
    speaker = f"s{source:04d}{'abcdefghijkl'[view]}"
    return Clip(f"{k:06d}", speaker, name, split, "none", x.astype("f4"), a.astype("f4"))


def corpus(folder: Path, tracks: list, name: str, scale: float, shares: dict):
    "Write a corpus."
    held = max(8, len(tracks) // 8)
    todo = plan(name, scale, np.random.default_rng(0))
    bar = tqdm(todo, desc=name, unit="clip", mininterval=5)
    rows = [
        write_clip(folder, piece(tracks, held, name, k, split, int(frames)))
        for k, (split, frames) in enumerate(bar)
    ]
    write_index(folder, assign_splits(pd.DataFrame(rows), shares=shares))


def rehearsal_corpora(
    folder: Path,
    scale: float = 1.0,  # of the numbers of clips
    recordings: int = 120,  # that are simulated
    jobs: int = 2,  # processes
    shares: dict | None = None,  # of the splits; the profile paper's by default
) -> list[Path]:  # their folders; what is there already is kept
    "Make the corpora that are not there yet."
    folders = [Path(folder) / name for name in SIZES]
    todo = [f for f in folders if not (f / "clips.csv").exists()]
    if todo:
        with ProcessPoolExecutor(jobs) as pool:
            made = pool.map(recording, range(recordings), chunksize=4)
            tracks = list(tqdm(made, total=recordings, desc="recordings", mininterval=5))
        shares = shares or load_profile("paper")["splits"]
        for f in todo:
            corpus(f, tracks, f.name, scale, shares)
    return folders


def main(argv=None):
    "Make the corpora from the command line."
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("folder", type=Path)
    p.add_argument("--scale", type=float, default=1.0, help="of the numbers of clips (default 1)")
    p.add_argument("--recordings", type=int, default=120, help="simulated ones (default 120)")
    p.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    a = p.parse_args(argv)
    for f in rehearsal_corpora(a.folder, a.scale, a.recordings, a.jobs):
        print(f)


if __name__ == "__main__":
    main()
