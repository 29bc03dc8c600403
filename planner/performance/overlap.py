"""Communication that hides behind computation, and what it costs the computation.

Three parameters per chip and engine: omega, the share of the communication that the schedule can overlap; sigma, the
share of compute cores that communication takes (20 of 132 SMs, 0.15, for the core-driven collectives of
arXiv:2412.19437; 0 where an engine does it); mu, mutual slow-down while overlapped. While overlapped, compute
progresses at (1-sigma)/(1+mu).
    step = (1-omega)*T_m + max(omega*T_m*(1+mu), T_c + (1-rho)*omega*T_m*(1+mu))

Measurements often give one number instead, the share phi of the ideal saving that is realised:
    step = T_c + T_m - phi*min(T_c, T_m)
0.21 for kernels side by side, 0.42 with tuned priorities, 0.72 on DMA engines (MI300X, arXiv:2412.14335).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def exposed(comm: Floats, window: Floats, omega: ArrayLike, sigma: float, mu: float) -> Floats:
    """Seconds that ``comm`` adds to a computation of ``window`` seconds it may hide behind (arrays of one shape).

    Zero communication adds nothing; omega = 0 adds all of it; sigma = mu = 0 and a wide window adds (1-omega)*comm.
    """
    share = np.asarray(omega, dtype=np.float64)
    hidden = share * comm * (1.0 + mu)
    rho = (1.0 - sigma) / (1.0 + mu)
    return (1.0 - share) * comm + np.maximum(hidden - window, (1.0 - rho) * hidden)


def step_at_share(compute: ArrayLike, comm: ArrayLike, phi: ArrayLike) -> Floats:
    """Seconds of computation and communication side by side where a share ``phi`` of the ideal saving is realised.

    1 is ideal overlap, max of the two; 0 is one after the other. Arrays broadcast.
    """
    c, m = np.asarray(compute, dtype=np.float64), np.asarray(comm, dtype=np.float64)
    return np.asarray(c + m - np.asarray(phi, dtype=np.float64) * np.minimum(c, m))


def share_of_ideal(compute: ArrayLike, comm: ArrayLike, step: ArrayLike) -> Floats:
    """The share of the ideal saving that a step of ``step`` seconds realised: inverse of ``step_at_share``."""
    c, m = np.asarray(compute, dtype=np.float64), np.asarray(comm, dtype=np.float64)
    return np.asarray((c + m - np.asarray(step, dtype=np.float64)) / np.minimum(c, m))
