"""One configuration: how fast, how much memory, where the time goes, and how sure that is.

    from planner import estimate_training
    found = estimate_training(model="llama-3.1-70b", system="hgx_h100_oem", chips=64, tp=8, pp=4)
    print(found.step_time_s, found.mfu, found.fits)

The functions call the performance model that plans are made with, on arrays of length one (or, with ``best=True``, on
every legal layout).
"""

from planner.estimate.serving import ServingEstimation, estimate_serving
from planner.estimate.training import TrainingEstimation, estimate_training

__all__ = ["ServingEstimation", "TrainingEstimation", "estimate_serving", "estimate_training"]
