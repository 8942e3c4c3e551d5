"""How long a training takes on a machine of Vertex AI, and what it costs: an estimate, by the prices of prices.py."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from scribe.cloud.prices import (
    ASSUMED_MFU,
    ASSUMED_STEP,
    GPUS,
    PRICE_DATE,
    PRICE_REGION,
    SPOT_SHARE,
    find_gpu,
    find_machine,
)
from scribe.network.config import ModelConfig

START_MINUTES = 10  # until a machine is there and its container runs


class Estimate(NamedTuple):
    """What a training takes.

    points: pen points in the whole training. rate: points a second. hours: from the request to the end.
    usd: for all its machines. mfu: model FLOPs utilisation, the share of the GPUs' float32 peak.
    """

    points: int
    rate: float
    hours: float
    usd: float
    mfu: float


def estimate(
    args: Any, points: int, gpu_type: str, gpus: int | None = None, *, workers: int = 1, spot: bool = False
) -> Estimate:
    """What training costs: 6 x parameters x points operations, at the MFU that the price table assumes.

    Args:
        args: flags of train.py. points: pen points in the whole training. gpu_type: a name of GPUS.
        gpus: GPUs in a machine. workers: machines. spot: whether they are spot machines.
    """
    gpu = find_gpu(gpu_type)
    _, price = find_machine(gpu_type, gpus, spot)
    replicas = max(1, gpus if gpus is not None else 1) * workers
    operations = 6 * ModelConfig.from_args(args).weights  # for each point
    # A batch is split over the GPUs: each has fewer points in a step, but as many kernels to wait for.
    by_peak = replicas * gpu.mfu * gpu.tflops * 1e12 / operations
    by_steps = args.batch_size / gpu.step if gpu.step else math.inf
    rate = min(by_peak, by_steps)
    hours = points / rate / 3600 + START_MINUTES / 60
    usd = hours * price * workers * (SPOT_SHARE if spot else 1.0)
    return Estimate(points, rate, hours, usd, rate * operations / (replicas * gpu.tflops * 1e12))


def estimate_table(args: Any, points: int, chosen: str, spot: bool) -> Iterator[str]:
    """Lines of a table: what the same training would take on one machine of every kind."""
    titles = f"{'USD/h':>7}{'spot':>7}{'hours':>8}{'USD':>8}{'spot':>8}{'points/s':>10}"
    yield f"  {'GPU':<12}{'machine':<16}{titles}    MFU"
    for name, gpu in GPUS.items():
        count = min(gpu.machines)
        machine, price = gpu.machines[count]
        e = estimate(args, points, name, count, spot=True)
        demand, cheap = f"{e.usd / SPOT_SHARE:.2f}", f"{e.usd:.2f}"
        hourly = f"{price:.2f}"
        if count in gpu.spot_only:
            demand = hourly = "-"
        yield (
            f"{'* ' if name == chosen else '  '}{name:<12}{machine:<16}{hourly:>7}{price * SPOT_SHARE:>7.2f}"
            f"{e.hours:>8.1f}{demand:>8}{cheap:>8}{e.rate:>10,.0f}  {e.mfu:>5.1%}"
        )
    yield (
        f"  An estimate, check it before you rely on it: about the prices of {PRICE_REGION} as of {PRICE_DATE}; spot "
        f"at {SPOT_SHARE:.0%}; at most {ASSUMED_MFU:.0%} of a GPU's float32 peak (MFU); {ASSUMED_STEP * 1000:g} ms for "
        f"a point of all lines of a batch; {START_MINUTES} min to start."
    )


def duration(seconds: float) -> str:
    """75 -> "1 min 15 s"; 3700 -> "1 h 1 min"."""
    seconds = max(0, int(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
