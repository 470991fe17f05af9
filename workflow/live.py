"""What a voice that is known only from what was heard of it costs (notebook 83_live).

    python workflow/live.py NAME=CORPUS [NAME=CORPUS ...]

`people/generator` moves people of corpora that `deal_people` has dealt (splits `val` and `test`),
its head at rest, and `people/metric_syncers` compare the motion with its own and with other sound.
Windows begin with the clip, where nothing of the voice has been heard, and 10 s into it. Sound is
as loud as it was recorded. Writes data/live.csv: numbers alone.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from mssync.app.live import HeardVoice, usual_voice
from mssync.data.audio import COLUMNS, cmvn, voice_of
from mssync.data.corpus import read_clip, read_index
from mssync.data.files import write_atomic
from mssync.data.landmarks import FPS, normalise
from mssync.metrics.synchrony import prepare
from mssync.model.weights import load_model
from mssync.study.ahead import waited
from mssync.study.followed import followed_rows, followed_table, on_heads

TABLE = Path(__file__).resolve().parent.parent / "data/live.csv"
FRAMES = 72  # of a window
BEGINS = (0, 10)  # s into the clip
WAIT = 2  # frames of look-ahead (79b_ahead)
CLIPS = 4  # of a speaker


def voices(a: np.ndarray, at: int) -> dict[str, tuple]:
    "Mean and deviation of a clip's voice, by who knows how much of it; (columns, 26) MFCC."
    end = at + COLUMNS * FRAMES
    heard = HeardVoice(*usual_voice())(a[:end])
    return {
        "of the whole clip": voice_of(a),
        "as heard so far": tuple(v[at:] for v in heard),
        "a usual one": usual_voice(),
    }


def windows(corpus: Path, begins: int) -> pd.DataFrame:
    "speaker, x (72, 68, 2), a (288, 26), heard: name -> (288, 26), a row a window."
    index = read_index(corpus)
    index = index[index.split.isin(("val", "test"))].sort_values("id")
    index = index[index.frames >= begins * FPS + FRAMES]
    index = index[index.groupby("speaker").cumcount() < CLIPS]
    found = []
    for row in index.to_dict("records"):
        clip = read_clip(corpus, row)
        first = begins * FPS
        at = COLUMNS * first
        x = clip.landmarks[first : first + FRAMES]
        a = clip.audio[at : at + COLUMNS * FRAMES]
        heard = {k: cmvn(a, voice) for k, voice in voices(clip.audio, at).items()}
        found.append(dict(speaker=row["speaker"], x=normalise(x, x[0]), a=a, heard=heard))
    return pd.DataFrame(found, columns=["speaker", "x", "a", "heard"])


def measured(name: str, corpus: Path, begins: int) -> pd.DataFrame:
    "AV-Conf of what moves by each knowledge of the voice, and of real motion."
    G = load_model("people/generator")
    judge = load_model("people/metric_syncers")
    w = windows(corpus, begins)
    if w.speaker.nunique() < 5:
        return pd.DataFrame()
    x = torch.tensor(np.stack(w.x), dtype=torch.float32)
    a = torch.cat([prepare(judge, m, s)[1] for m, s in zip(w.x, w.a)])
    tables = []
    for voice in ("", *w.heard[0]):
        y = x
        if voice:
            heard = torch.tensor(np.stack([h[voice] for h in w.heard]), dtype=torch.float32)
            heard = (heard - G.audio_mean) / G.audio_std
            y = waited(G, x[:, 0], heard, WAIT)
            y = on_heads(y, None, heard, lips=G.cfg.lips)
        t = followed_table(followed_rows(y, a, w.speaker, judge))
        tables.append(t.assign(clips_of=name, begins_s=begins, voice=voice or "real motion"))
    return pd.concat(tables)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    p.add_argument("corpora", metavar="NAME=CORPUS", nargs="+")
    given = [s.partition("=")[::2] for s in p.parse_args().corpora]
    df = pd.concat([measured(n, Path(c), at) for n, c in given for at in BEGINS])
    first = ["clips_of", "begins_s", "voice", "scale_ms"]
    df = df[first + [c for c in df if c not in first]]
    write_atomic(TABLE, df.to_csv(index=False, float_format="%.4f").encode())
    print(df.to_string())
