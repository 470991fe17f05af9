"""Other people's videos: rendered here from test clips, imported, and a row of a whole study."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, quick_python, run

from mssync.app.cli import main
from mssync.data.corpus import read_clip, read_index
from mssync.data.landmarks import FPS

ROW = "Warp (official)"
FRAMES = 83  # of each video: 80 frames are measured, 200 are not there
SIZE = 128


def bent(portrait: np.ndarray, face: np.ndarray, x: np.ndarray):
    "A portrait whose landmarks are `face` (pixels), bent onto each of `x` (T, 68, 2), pixels."
    import cv2
    from scipy.spatial import Delaunay

    size = len(portrait)
    edge = np.array([(u, v) for u in (0, 0.5, 1) for v in (0, 0.5, 1) if (u, v) != (0.5, 0.5)])
    edge = edge * (size - 1)
    start = np.concatenate([face, edge]).astype(np.float32)
    triangles = Delaunay(start).simplices
    for points in x:
        target = np.concatenate([points, edge]).astype(np.float32)
        frame = portrait.copy()
        for a, b in zip(start[triangles], target[triangles]):
            left, top = np.floor(b.min(0)).astype(int).clip(0)
            right, bottom = np.ceil(b.max(0)).astype(int).clip(0, size - 1) + 1
            if right <= left or bottom <= top:
                continue
            corner = np.float32([left, top])
            shape = int(right - left), int(bottom - top)
            how = dict(borderMode=cv2.BORDER_REPLICATE)
            piece = cv2.warpAffine(portrait, cv2.getAffineTransform(a, b - corner), shape, **how)
            inside = np.zeros(piece.shape[:2], np.uint8)
            cv2.fillConvexPoly(inside, np.round(b - corner).astype(np.int32), 1)
            there = inside[..., None] > 0
            np.copyto(frame[top:bottom, left:right], piece, where=there)
        yield frame


def clips_of(corpus: Path) -> list:
    "The test clips."
    index = read_index(corpus)
    return [read_clip(corpus, r) for r in index[index.split == "test"].to_dict("records")]


def render(folder: Path, clips: list, sounds: Path):
    "A video of each clip, with its exported sound."
    import cv2
    import skimage.data

    from mssync.data.track import DlibLandmarker
    from mssync.data.video import read_audio, write_video

    portrait = cv2.resize(skimage.data.astronaut()[:300, 70:370], (SIZE, SIZE))
    face = DlibLandmarker(side=160, shift=0)(portrait)
    folder.mkdir()
    for clip in clips:
        wave = read_audio(sounds / f"wavs/{clip.id}.wav")[: FRAMES * 640]
        frames = bent(portrait, face, clip.landmarks[:FRAMES] * SIZE)
        write_video(folder / f"{clip.id}.mp4", frames, FPS, wave)


@pytest.fixture(scope="module")
def imported(smoke, tmp_path_factory) -> tuple[Path, Path]:
    "The study's folder with one seed, copied, and the method's clips: six of ten."
    from mssync.baselines.exchange import import_method
    from mssync.data.track import DlibLandmarker

    results = tmp_path_factory.mktemp("official") / "smoke"
    shutil.copytree(smoke, results, ignore=shutil.ignore_patterns("seed_1", "notebooks"))
    out = results.parent / "warp"
    given = results.parent / "given"
    videos = results.parent / "videos"
    assert main(["export-clips", str(results / "corpus"), str(given)]) == 0
    render(videos, clips_of(results / "corpus")[:6], given)
    # that bent pictures are faces is not certain: the detector may take more
    quick = DlibLandmarker(side=160, shift=0, threshold=-0.7)
    import_method("Warp", videos, results / "corpus", out, landmarker=quick, progress=False)
    return results, out


@pytest.fixture(scope="module")
def study(imported) -> Path:
    "The study's tables made again, with the row."
    results, out = imported
    given = f"results={results}", "profile=smoke"
    steps = (
        ("05_evaluate", *given, "seed=0", f"methods={out}"),
        ("06_report", *given, "seeds=0", f"methods={out}"),
        ("11_claims", f"results={results}", "seeds=0"),
        ("12_page", *given, "seeds=0"),
    )
    for name, *parameters in steps:
        command = (quick_python(), "-m", "mssync.study.notebooks", "run")
        notebook = ROOT / f"nbs/experiments/{name}.ipynb"
        done = run(*command, notebook, results / f"{name}.ipynb", *parameters)
        assert done.returncode == 0, done.stdout[-8000:]
    return results


def test_what_is_imported(imported):
    results, out = imported
    report = pd.read_csv(out / "report.csv")
    assert report.accepted.sum() == 6
    assert (report.reason[~report.accepted] == "no video of this name").all()
    good = report[report.accepted]
    assert (good.begins_s == 0).all()
    assert (good.sound > 0.8).all()
    assert (good.frames == FRAMES).all()
    assert json.loads((out / "method.json").read_text())["of"] == 10
    for r in read_index(out).to_dict("records"):
        y = read_clip(out, r).landmarks
        x = next(c for c in clips_of(results / "corpus") if c.id == r["id"]).landmarks[:FRAMES]
        width = np.linalg.norm(x[0, 16] - x[0, 0])
        assert np.linalg.norm(y - x, axis=-1).mean() < 0.06 * width  # a landmarker's error
        way, true = (v[:, 30] - v[:1, 30] for v in (y, x))  # the tip of the nose
        assert np.corrcoef(way.ravel(), true.ravel())[0, 1] > 0.9


def test_it_is_a_row_of_every_table(study):
    for name, lengths in (("table3", 1), ("table2", 2), ("lips", 1), ("dynamics_ratios", 2)):
        t = pd.read_csv(study / f"{name}.csv")
        own = t[t.method == ROW]
        assert (own.clips == 6).all() or name == "lips", name
        column = next((c for c in ("duration_frames", "frames") if c in t), None)
        if column:
            assert own[column].nunique() == lengths
    assert ROW not in set(pd.read_csv(study / "heads.csv").method)  # of 200 frames
    for name in ("table2.md", "table3.md", "lips.md", "tables.md"):
        assert f"{ROW}, 6 of 10 clips" in (study / name).read_text(), name
    assert ROW in (study / "report.html").read_text()
    record = json.loads((study / "run.json").read_text())
    assert [m["row"] for m in record["methods"]] == [ROW]
    log = (study / "05_evaluate.ipynb").read_text()
    assert f"{ROW}: 6 of 10 clips of 80 frames" in log
    assert f"{ROW}: 0 of 10 clips of 200 frames, too few for a row" in log


def test_it_is_compared(study):
    "It is as near to the lips as a landmarker sees them, and a claim of its own."
    lips = pd.read_csv(study / "lips.csv").set_index(["method", "metric"])["mean"]
    assert lips[ROW, "LMD, %"] < lips["Static", "LMD, %"]
    claims = pd.read_csv(study / "claims.csv", dtype=dict(letter=str))
    own = claims[claims.letter == "j"]
    assert set(own.b) == {ROW}
    measured = own[own.verdict != "not measured"]
    assert set(measured.measure) == {"AV-Conf", "FMD_40"}
    assert (measured.clips == 6).all()
    assert "## j: other people's systems" in (study / "claims.md").read_text()


def test_no_other_row_moves(study, smoke):
    for name in ("sync", "dynamics", "lips", "heads", "sets", "frechet"):
        new, old = (pd.read_csv(f / f"seed_0/{name}.csv") for f in (study, smoke))
        new = new[new.method != ROW].reset_index(drop=True)
        pd.testing.assert_frame_equal(new, old, check_exact=False, rtol=1e-4, atol=1e-5)


def test_command(imported, tmp_path, capsys):
    "The command refuses what the function refuses, in one line."
    results, _ = imported
    empty = tmp_path / "empty"
    empty.mkdir()
    given = ["--corpus", str(results / "corpus"), "--out", str(tmp_path / "none")]
    assert main(["import-method", "Nobody", str(empty), *given]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("mssync: Nobody (official): 0 of 10 clips, under half")
    assert not (tmp_path / "none" / "clips.csv").exists()
