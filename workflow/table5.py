"""Table 5 on recorded clips: synchrony in pictures, and lips, before and after rendering.

`python workflow/table5.py CLIPS OUT` reads a folder of videos with a table `clips.tsv` (file,
dataset, speaker), follows the face in each, trains a network of SyncNet's architecture on the GRID
talkers but for some, and measures on what it has not seen: the recorded video, its landmarks
rendered again by the warp, what `animate` makes of the first frame and the sound, rendered too,
and a face that never moves. OUT/table5_clips.csv has a row a clip and method, OUT/table5.csv means
with intervals over speakers. Nothing of the clips is kept but these numbers;
what lies in OUT besides is for going on after an interruption.
"""

import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from mssync.app.animate import recorded_motion
from mssync.data.audio import SR
from mssync.data.files import write_atomic
from mssync.data.landmarks import FPS
from mssync.data.track import cut_square, find_runs, follow_face, make_landmarker, reference_square
from mssync.data.video import iter_frames, read_audio
from mssync.metrics.intervals import interval
from mssync.metrics.lips import lmd
from mssync.metrics.syncnet import SyncNet, face_crops, mfcc13, syncnet_scores, train_syncnet
from mssync.render.reenact import WarpReenactor
from mssync.render.retrack import retrack

CROP = 112  # pixels of the crops that are kept
SIDE = 256  # pixels of rendered pictures
MOST = 75  # frames of a clip that are measured: GRID's length
HELD_OUT = 25  # clips of training talkers that are not trained on
STEPS = 700
WIDTH = 0.25  # of the network, over SyncNet's


def tracked(path: Path, find) -> tuple[list, np.ndarray, float]:
    """Frames, landmarks (T, 68, 2) in pixels, and when the frames begin on the file's clock, s.
    Raises ValueError where the face is lost."""
    timed = [*islice(iter_frames(path), 250)]
    frames = [image for _, image in timed]
    track = follow_face(((i / FPS, image) for i, image in enumerate(frames)), find)
    runs = find_runs(track)
    if len(runs) != 1 or len(runs[0].points) != len(frames):
        raise ValueError(f"{path.name}: the face is not followed through all frames")
    return frames, runs[0].points, timed[0][0]


def kept(path: Path, out: Path, find) -> dict | None:
    "Crops, sound features and landmarks of a clip, made once; none where the face is lost."
    file = out / "crops" / f"{path.stem}.npz"
    if not file.exists():
        try:
            frames, x, begin = tracked(path, find)
            crops = face_crops(frames, x, CROP)
            a = mfcc13(read_audio(path, SR, begin))
            write_atomic(file, lambda f: np.savez(f, crops=crops, mfcc=a, landmarks=x))
        except ValueError as e:
            print(e, flush=True)
            return None
    return dict(np.load(file))


def network(clips: list[tuple], out: Path) -> SyncNet:
    "The network, trained once."
    file = out / "syncnet.pt"
    if not file.exists():
        net, losses = train_syncnet(clips, STEPS, WIDTH)
        print("loss:", np.mean(losses[:50]), "to", np.mean(losses[-50:]), flush=True)
        torch.save(net.state_dict(), file)
    net = SyncNet(WIDTH)
    net.load_state_dict(torch.load(file, weights_only=True))
    return net.eval()


def measured(net: SyncNet, frames, x: np.ndarray, wave: np.ndarray) -> dict:
    "What SyncNet says of frames with landmarks in pixels."
    said = syncnet_scores(net, face_crops(frames, x, CROP), wave)
    return dict(av_off=abs(said.offset), av_conf=said.confidence, lse_d=said.distance)


def rows_of(path: Path, net: SyncNet, find) -> list[dict]:
    "Every method's row for a clip."
    frames, x, begin = tracked(path, find)
    frames = frames[:MOST]
    x = x[:MOST]
    wave = read_audio(path, SR, begin)[: len(frames) * SR // FPS]
    corner, side = reference_square(x, 0.35)
    portrait = cut_square(frames[0], corner, side, SIDE)
    real = ((x - corner) / side + 0.5 / SIDE).astype(np.float32)
    act = WarpReenactor(portrait, real[0])
    made = recorded_motion(real[0], wave, SR)[0][: len(real)]
    rows = [dict(method="Ground truth", **measured(net, frames, x, wave), lmd=0.0, lmd_front=0.0)]
    for method, motion in (
        ("GT landmarks + warp", real),
        ("MS-Sync + warp", made),
        ("Static + warp", np.repeat(real[:1], len(real), 0)),
    ):
        pictures = [*act.frames(motion)]
        again = retrack(pictures, find, "none")
        n = min(len(again), len(real))
        row = measured(net, pictures, again * SIDE - 0.5, wave)
        for name, front in (("lmd", False), ("lmd_front", "plane")):
            row[name] = float(lmd(again[None, :n], real[None, :n], front=front)[0])
        rows.append(dict(method=method, **row))
    return rows


def table(rows: pd.DataFrame) -> pd.DataFrame:
    "Means with intervals over speakers."
    out = []
    measures = ["av_off", "av_conf", "lse_d", "lmd", "lmd_front"]
    for (of, method), d in rows.groupby(["of", "method"], sort=False):
        for m in measures:
            at = dict(of=of, method=method, measure=m, mean=d[m].mean(), std=d[m].std())
            speakers = d.speaker.nunique()
            if speakers >= 5:  # fewer say nothing of others
                found = interval(d[m].to_numpy(), groups=d.speaker.to_numpy())
                at |= dict(low=found.low, high=found.high)
            out.append(at | dict(clips=len(d), speakers=speakers))
    return pd.DataFrame(out)


def all_rows(clips: Path, out: Path) -> pd.DataFrame:
    "A row a clip and method."
    index = pd.read_csv(clips / "clips.tsv", sep="\t")
    find = make_landmarker("mesh")
    grid = index[index.dataset == "GRID"]
    s1 = grid[grid.speaker == "GRID_s1"].sample(110, random_state=0)
    mine = pd.concat([grid[grid.speaker != "GRID_s1"], s1])
    found = {r.file: kept(clips / r.file, out, find) for r in mine.itertuples()}
    mine = mine[mine.file.map(found).notna()]
    rng = np.random.default_rng(0)
    size = mine.groupby("speaker").file.transform("size")
    few = sorted(mine[size <= 3].speaker.unique())
    rng.shuffle(few)
    strangers = mine[mine.speaker.isin(few[: len(few) // 2])]
    known = mine.drop(strangers.index).sample(frac=1, random_state=0)
    held = known[:HELD_OUT]
    train = known[HELD_OUT:]
    net = network([(found[f]["crops"], found[f]["mfcc"]) for f in train.file], out)

    others = index[index.file.str.match("voxceleb2/|lrs3/|avspeech/|hdtf/")]
    others = others.groupby("speaker").head(1)
    rows = []
    for of, some in (
        ("GRID, talkers of the training", held),
        ("GRID, other talkers", strangers),
        ("other corpora", others),
    ):
        for r in some.itertuples():
            try:
                for row in rows_of(clips / r.file, net, find):
                    rows.append(dict(of=of, clip=Path(r.file).stem, speaker=r.speaker, **row))
            except ValueError as e:
                print(r.file, e, flush=True)
        print(of, len(rows), flush=True)
    return pd.DataFrame(rows)


def main(clips: Path, out: Path):
    file = out / "table5_clips.csv"
    if not file.exists():
        all_rows(clips, out).to_csv(file, index=False, float_format="%.4f")
    found = table(pd.read_csv(file))
    found.to_csv(out / "table5.csv", index=False, float_format="%.4f")
    print(found.pivot(index=["of", "method"], columns="measure", values="mean").round(2))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
