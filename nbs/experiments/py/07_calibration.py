# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: kernelspec
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: python3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Can the metrics be trusted?
# > What was planted, and what each metric says about it
#
# A confidence of 5 and a distance of 13 mean nothing by themselves. Here each metric of the paper
# (Section 4.3) is given motion whose error is known, because it was planted: sound that comes early
# or late, coupling that is taken out at one time scale (in the simulated corpus, where it was put
# in), landmarks that tremble, blur, stall or come apart. What a metric does not find here it will not
# find in generated motion. So no generator and no baseline has a row here: what is wrong with theirs
# is not known. All clips are of split `test`, which no network has seen; every metric syncer and
# motion encoder of the study's seeds is tried, and deviations over seeds are those of the *rulers*.
# How all this is measured is written and tested in [76_calibration](../study/76_calibration.ipynb).

# %% tags=["parameters"]
profile: str = "smoke"  # name of a file in workflow/profiles, or a path to one
results: str = "../../results/smoke"  # folder that everything goes to
corpus: str = ""  # folder of an ingested corpus; empty: simulate one
seeds: str = ""  # of the networks, separated by commas; empty: the profile's
device: str = "cpu"  # cpu, cuda, cuda:1, ...
generated: str = (
    ""  # folder of ingested videos that other systems made; empty: that section is left out
)
# folder of the recordings that the corpus was made from; empty: they are not encoded again
recordings: str = ""
recoded: int = 24  # clips that are, evenly over all; 0: all

# %%
import matplotlib.pyplot as plt
import numpy as np

from mssync.data.packed import Packed
from mssync.model.weights import load_model
from mssync.study.calibration import (
    ROOM,
    DamageTrial,
    Ruler,
    calibration_lines,
    coupling_changes,
    coupling_confidence,
    damage_figure,
    damage_legend,
    damage_rows,
    damage_verdicts,
    expected_pairs,
    halve,
    halves_table,
    judged,
    measured_videos,
    order_table,
    own_levels,
    reference_distances,
    reference_lips,
    reference_motion,
    reference_scores,
    reference_table,
    shift_figure,
    shift_rows,
    shift_table,
    shown_damage,
    shown_levels,
    shown_orders,
    shown_shifts,
    shown_videos,
    speakers_of,
    steadiness,
    videos_figure,
    videos_table,
)
from mssync.study.codec import codec_rows, codec_table, codec_text, reencoded
from mssync.study.lengths import length_of
from mssync.study.outputs import markdown as md
from mssync.study.run import Study
from mssync.study.tables import legend, summary, wide

plt.style.use("mssync.style")
study = Study(profile, results, corpus, seeds, device=device)
train = study.packed("train")
test = study.packed("test")


def network(s, name):
    "A trained network of seed s."
    return load_model(study.at(s).folder / f"{name}.safetensors", device)


syncers = {s: network(s, "syncers_metric") for s in study.seeds}
speaker = speakers_of(test)
talkers = test.index.speaker.nunique()
T = study.lengths["sync"]
draws = study.settings["evaluation"]["draws"]
texts = {}
names = ", ".join(map(str, study.seeds))
print(f"{study.title}: {len(test)} test clips of {talkers} speakers; networks of seeds {names}")

# %% [markdown]
# ## Shifts of the sound
#
# The sound of each clip is moved by -10 to +10 frames (±400 ms) against its motion. At level 1 the
# shift must be found to the frame. At level $i$ a sample lasts $2^{i-1}$ frames, so a shift of $s$
# frames is $s/2^{i-1}$ samples, and an answer is *right* if it is within half a sample of that. The
# error is given in ms too. Recorded clips come with offsets of their own, which nobody knows: there
# what counts is whether AV-Off *follows* the shift, from wherever it is for the sound as recorded
# (shift 0 itself left out). The coarse levels have few places to choose from, so chance, the
# constant-0 baseline, is beside every number. How long the clips are decides how many windows the
# coarse levels have, so it stands in the table.

# %%
long = length_of(np.asarray(test.lengths) - 2 * ROOM, T)
shifts = judged(shift_rows(syncers, test, long))
t_shift = shift_table(shifts)
study.table(t_shift, "calibration_shift.csv")
study.figure(shift_figure(shifts), "calibration_shift.png")
texts["Planted shifts"] = (
    "Sound moved by -10 to +10 frames against the motion of "
    f"{shifts.id.nunique()} clips, {long} frames; shares of clips and shifts. "
    "The constant-0 baseline does not listen: what is right by chance (`always 0` in "
    f"calibration_shift.csv). {legend(t_shift)}\n\n{md(shown_shifts(t_shift))}"
)
shown_shifts(t_shift)

# %% [markdown]
# ## Coupling at one scale
#
# The simulated speakers' motion follows the sound at four scales: the mouth (phonemes; 200 ms), nods
# (400 ms), turns (800 ms), leans (1600 ms). New clips of new speakers are made from the same seeds
# with everything coupled, with one of the couplings taken out (*removed*), and with that coupling
# *alone*. The change of AV-Conf is read as a share of the confidence with everything coupled, at that
# level. What one expects: removing a scale costs most at its own level, and leaving it alone gives
# most there. It cannot be exact: the mouth moves at all four scales (sentences have pauses, words
# have vowels), and a window of 800 ms also contains what lasts 400.

# %%
own = {}
if study.facts["simulated"]:
    clips = max(8, min(160, len(test)))
    changes = coupling_changes(coupling_confidence(syncers, clips, T, train))
    t_couple = summary(changes, [c for c in changes if c.endswith(" ms")])
    own = own_levels(changes)
    study.table(t_couple, "calibration_coupling.csv")
    texts["Coupling at one scale"] = (
        "Change of AV-Conf, as a share of its value with everything coupled, at four levels: what "
        "is lost where one coupling is removed, what is gained where it is the only one. "
        f"{clips} simulated clips of new speakers. {legend(t_couple)}\n\n{md(wide(t_couple))}"
        f"\n\n{md(shown_levels(own))}"
    )
    display(wide(t_couple))
else:
    print("Left out: what couples real motion to speech is not known.")

# %% [markdown]
# ## Two halves of one set
#
# Half of the test clips (half of the speakers, where there are 8 or more) will be damaged; distances
# of sets are taken to the other half, which is left as it is. Undamaged they must be apart by no more
# than the bias of the distance, or the estimate of the bias is wrong.

# %%
x, a, ids = test.windows(T)
speakers = [speaker[i] for i in ids]
encoders = {}  # seed -> frames -> motion encoder
for s in study.seeds:
    found = [network(s, f"motion_encoder_{k}") for k in study.lengths["motion"]]
    encoders[s] = {e.cfg.frames: e for e in found}
ruler = Ruler(train, T, syncers, encoders)
halves = halve(x, speakers, lambda: study.packed(study.others).windows(T)[0])
trial = DamageTrial(ruler, halves, x, a)
t_half = halves_table(trial, draws, len(set(speakers)))
study.table(t_half, "calibration_halves.csv")
texts["Two halves of one set"] = (
    f"Distances between {halves.about}. {legend(t_half)} An interval wholly above 0 would say that "
    "the distance is more than its bias; one that holds 0 does not say that it is none.\n\n"
    + md(wide(t_half))
)
wide(t_half)

# %% [markdown]
# ## Damage that grows
#
# That half is damaged ([38_damage](../metrics/38_damage.ipynb)), more and more. The table lists every
# pair of a measure and a damage that it *should* see, with its value before and under the strongest
# damage, and the share of steps at which it does not go back (1.0: steady growth, or fall). Distances
# of motion do not condition on the sound: shuffled audio is for AV-Conf and beats alone. What is not
# listed is in `calibration_monotone.csv`.

# %%
growth = damage_rows(trial, draws // 2)
study.table(growth, "calibration_damage.csv")
expected = expected_pairs(list(growth.measure.unique()), nods=study.facts["simulated"])
verdicts = damage_verdicts(growth, expected)
study.table(verdicts, "calibration_monotone.csv")
study.figure(damage_figure(growth, expected), "calibration_damage.png")
texts["Damage that grows"] = (
    f"{damage_legend(len(trial.x), halves.unit)} {steadiness(verdicts)}"
    f"\n\n{md(shown_damage(verdicts))}"
)
print(steadiness(verdicts))
shown_damage(verdicts)

# %% [markdown]
# ## Rows that say what a number is worth
#
# The ground truth, real motion beside another clip's sound, the mean motion of the training clips,
# motion retrieved by the nearest sound, and no motion at all; with intervals over clips and
# deviations over seeds. Every table of the study repeats these rows.

# %%
made = reference_motion(train, x, a)
scores = reference_scores(ruler, made, a, ids, speaker)
t_sync = reference_table(scores)
study.table(t_sync, "calibration_rows.csv")
texts["Rows that say what a number is worth"] = (
    f"{T} frames. {legend(t_sync)}\n\n{md(wide(t_sync, 'column'))}"
)
wide(t_sync, "column")

# %% [markdown]
# Their distances to the ground truth:

# %%
features = {s: {m: ruler.features(y, s) for m, y in made.items()} for s in study.seeds}
about = dict(clips=len(x), speakers=len(set(speakers)))
t_frechet = reference_distances(features, speakers, draws, about)
study.table(t_frechet, "calibration_frechet.csv")
texts["Distances of the same rows"] = f"{legend(t_frechet)}\n\n{md(wide(t_frechet))}"
wide(t_frechet)

# %% [markdown]
# Are these orders those of the methods, or of the clips and speakers that happened to be in the test
# set?

# %%
orders = order_table(scores, features, reference_lips(ruler, made, a), ids, draws)
study.table(orders, "calibration_ranks.csv")
texts["Order under resampling"] = (
    f"Bootstrap resamples of the {orders.drawn.iloc[0]}; highest value first. tau: Kendall's, mean "
    "between each resample's order and that of all clips; kept: how often the weakest pair of "
    "neighbours stays as it is (both: the lowest of the seeds)."
    f"\n\n{md(shown_orders(orders).astype(str))}"
)
shown_orders(orders)

# %% [markdown]
# ## Videos that other systems made
#
# Published outputs of other systems, ingested like any video: measures without a reference only,
# since nobody knows what these faces should have done. Windows of the study's length; a clip's value
# is the mean over its windows. Beside them the real test clips, and these with each other's sound.
# The systems are known to be good at the lips (several were trained on a lip-sync network of their
# own), so a metric that puts them near shuffled audio does not carry over to them: other faces, other
# recordings, other landmarks. Where a system's clips agree on an offset that is not 0, its videos
# were written with sound and pictures out of step, which a confidence alone would not say.

# %%
if generated:
    splits = ("train", "metric", "val", "test")
    others = Packed(generated, splits, train.stats, device, reference=train.reference)
    window = length_of(np.asarray(test.lengths), T)
    videos = measured_videos(ruler, test, others, window)
    t_videos = videos_table(videos)
    study.table(videos, "calibration_generated_clips.csv")
    study.table(t_videos, "calibration_generated.csv")
    study.figure(videos_figure(videos), "calibration_generated.png")
    texts["Videos that other systems made"] = (
        f"{window} frames a window. off: |AV-Off| in samples of the level; conf: AV-Conf; "
        "offset_ms: AV-Off at 200 ms with its sign, median over a clip's windows (positive: the "
        "sound comes late); speeds and jitter in % of face size a frame; beat_excess: head and "
        "speech beats together more often than by chance. Intervals where there are 5 clips or "
        "more (fewer: the number alone); drawn: what is resampled. Speakers from 8 on; of one "
        "system's clips it is not known which show the same face, so clips are, and their "
        f"intervals are too narrow where a face comes back.\n\n{md(shown_videos(t_videos))}"
    )
    display(shown_videos(t_videos))
else:
    print("No folder of generated videos was given.")

# %% [markdown]
# ## The same videos, encoded again
#
# SyncNet's LSE-C and LSE-D are said to move by 0.4 to 1.2 when a video is merely encoded anew. Here
# test clips are encoded at several qualities, tracked again and scored with the sound that came out
# ([78_codec](../study/78_codec.ipynb)): a metric of synchrony must not move.

# %%
if recordings:
    made = reencoded(study.corpus, recordings, study.results / "recoded", test, most=recoded)
    t_codec = codec_table(codec_rows(syncers, test, made, length_of(np.asarray(test.lengths), T)))
    study.table(t_codec, "calibration_codec.csv")
    texts["The same videos, encoded again"] = codec_text(t_codec)
    display(t_codec.round(2))
else:
    print("No folder of recordings was given.")

# %% [markdown]
# ## In short

# %%
lines = calibration_lines(t_shift, own, t_half, verdicts, orders)
count = len(study.seeds)
parts = [
    f"# Calibration of the metrics on the {study.title}",
    f"Profile {study.settings['name']}; networks of {count} seed{'s' if count > 1 else ''}; "
    f"{len(test)} test clips of {talkers} speakers.",
    "\n".join(f"- {line}" for line in lines),
    *(f"## {title}\n\n{text}" for title, text in texts.items()),
]
study.text("\n\n".join(parts) + "\n", "calibration.md")
print("\n".join(lines))
