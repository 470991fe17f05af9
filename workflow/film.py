"""The README's moving picture: a simulated speaker, and what MS-Sync generates for its sound.

`python workflow/film.py` writes nbs/images/talking.gif. The networks are those that ship with the
package, and the speaker is none that they were trained on.
"""

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image

from mssync.app.animate import load_generator
from mssync.data.audio import COLUMNS, SR
from mssync.data.landmarks import EDGES, FPS, normalise
from mssync.model.generator import generate
from mssync.simulate.clips import draw_speaker, simulate_clip

ROOT = Path(__file__).resolve().parent.parent
FRAMES = 150  # six seconds
SPEAKER = 1000  # the 160 speakers of the corpus are 0 to 159
COLOURS = 32


def motions() -> tuple[dict[str, np.ndarray], np.ndarray]:  # title -> (FRAMES, 68, 2); the wave
    "A simulated clip, and the motion generated from its first frame and its sound."
    clip, wave = simulate_clip(SPEAKER, draw_speaker(SPEAKER), return_wave=True)
    generator = load_generator()
    generator.cfg = replace(generator.cfg, mean_face=False)  # it knows simulated faces
    x = torch.as_tensor(clip.landmarks[None, :FRAMES])
    x = normalise(x, x[:, 0])
    a = torch.as_tensor(clip.audio[None, : COLUMNS * FRAMES])
    a = (a - generator.audio_mean) / generator.audio_std
    y = generate(generator, x[:, 0], a)
    titles = ("simulated speaker", "MS-Sync: first frame + sound")
    return dict(zip(titles, (x[0].numpy(), y[0].numpy()))), wave[: SR * FRAMES // FPS]


def film(path: Path):
    "Draw both faces over the waveform, frame by frame."
    faces, wave = motions()
    fig, axs = plt.subplot_mosaic("AB;CC", figsize=(5.2, 3.6), dpi=100, height_ratios=(4, 1))
    points = np.concatenate(list(faces.values()))
    low = points.min((0, 1)) - 0.1
    high = points.max((0, 1)) + 0.1
    lines = []
    for ax, (title, x), colour in zip((axs["A"], axs["B"]), faces.items(), ("0.25", "C0")):
        ax.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal", title=title)
        ax.axis("off")
        for edge in EDGES:
            (line,) = ax.plot(*x[0, edge].T, color=colour, lw=1.8)
            lines.append((line, x[:, edge]))
    seconds = np.arange(len(wave)) / SR
    axs["C"].plot(seconds, wave, color="0.6", lw=0.4)
    axs["C"].set(yticks=[], xlabel="s", xlim=(0, seconds[-1]))
    axs["C"].spines["left"].set_visible(False)
    now = axs["C"].axvline(0, color="C1")

    def show(t):
        for line, x in lines:
            line.set_data(*x[t].T)
        now.set_xdata([t / FPS])

    pictures = []
    for t in range(FRAMES):
        show(t)
        fig.canvas.draw()
        pictures.append(Image.fromarray(np.asarray(fig.canvas.buffer_rgba())[..., :3].copy()))
    palette = pictures[0].quantize(COLOURS)
    pictures = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=1000 // FPS, loop=0)


if __name__ == "__main__":
    plt.switch_backend("agg")
    plt.style.use("mssync.style")
    film(ROOT / "nbs/images/talking.gif")
