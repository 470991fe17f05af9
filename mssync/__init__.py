"""Talking-head motion in sync with speech at four time scales: MS-Sync, open and reproducible.

The names below are what most users need. Each is fetched from its module when it is first asked
for, so that `import mssync` imports nothing else and answers at once.
"""

__version__ = "0.1.0"

from importlib import import_module

# name -> the module that defines it
_HOME = {
    "ingest": "data.ingest",  # videos -> a corpus
    "simulate_corpus": "simulate.clips",  # a corpus of simulated speakers
    "Packed": "data.packed",  # a corpus -> batches of windows
    "SyncerPyramid": "model.syncer",  # four syncers, one a time scale (Section 3.1)
    "av_loss": "model.syncer",  # the multi-scale synchrony loss (Eq. 4)
    "Generator": "model.generator",  # landmarks and speech -> motion (Section 3.2)
    "train_syncers": "training.syncers",
    "train_gan": "training.gan",
    "save_model": "model.weights",
    "load_model": "model.weights",
    "MultiScaleSync": "metrics.synchrony",  # AV-Off and AV-Conf (Section 4.3)
    "SyncMetric": "metrics.torchmetric",  # the same as a torchmetrics.Metric
    "sync_video": "app.sync",  # AV-Off and AV-Conf of any video
    "animate": "app.animate",  # a portrait and a recording -> a video
}

__all__ = [*_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'mssync' has no attribute {name!r}")
    return getattr(import_module(f"mssync.{_HOME[name]}"), name)


def __dir__():
    return sorted([*globals(), *_HOME])
