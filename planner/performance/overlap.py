"""Communication that hides behind computation, and what it costs the computation.

Three parameters per chip and engine: omega, the share of the communication that the schedule can overlap; sigma, the
share of compute cores that communication takes (20 of 132 SMs, 0.15, for the core-driven collectives of
arXiv:2412.19437; 0 where an engine does it); mu, mutual slow-down while overlapped. While overlapped, compute
progresses at (1-sigma)/(1+mu).
    step = (1-omega)*T_m + max(omega*T_m*(1+mu), T_c + (1-rho)*omega*T_m*(1+mu))
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
