"""Machines of Vertex AI with their GPUs, and what an hour of each costs: the price table, its date and its sources."""

from typing import Any, NamedTuple

from scribe.console import UsageError

# What a machine with its GPUs costs in an hour of custom training, us-central1, USD, on demand, without its disk (0.03
# for 100 GB). This is a copy of the price list, made by hand: check it before you rely on it, at
# https://cloud.google.com/vertex-ai/pricing. Vertex AI takes Compute Engine's price and a fee of 15% of it. What is
# confirmed and what is not:
#   n1, h100    on that page in 2026-10: n1-standard-4 at 0.2185, one H100 at 9.7966 (and the fee); the whole
#               a3-highgpu-8g at 101.01 on a bill of 2025-08
#   t4, v100, l4, a100-80gb    calculated: 1.15 x Compute Engine's prices, from undated copies of its list
#   a100        not confirmed: an article of 2026 has 35.26 for eight, calculated it is 4.22 for one; the higher stands
PRICE_DATE, PRICE_REGION = "2026-10", "us-central1"
FEE = 0.15
# Spot machines are advertised at 9% to 40% of Compute Engine's price; the fee stays that of the full price.
SPOT_SHARE = round((0.4 + FEE) / (1 + FEE), 2)

# Two more assumptions, since nothing was measured on these GPUs. On processors, training reaches 51% to 60% of the
# machine's matrix-product rate (docs/archive/RUNS.md).
ASSUMED_MFU = 0.25  # model FLOPs utilisation: share of a GPU's float32 peak
ASSUMED_STEP = 1e-3  # seconds for a pen point of all lines of a batch, forward and backward: small kernels, one by one


class Gpu(NamedTuple):
    """A kind of GPU, and the machines that have it.

    accelerator: Vertex AI's name of it. tflops: float32 peak of one. machines: GPUs -> (machine type, USD an hour).
    mfu, step: see ASSUMED_MFU and ASSUMED_STEP. spot_only: numbers of GPUs that exist as spot machines alone.
    quota: the part QUOTA of the quota's name, custom_model_training_QUOTA_gpus, if it is not the accelerator's.
    """

    accelerator: str
    tflops: float
    machines: dict[int, tuple[str, float]]
    mfu: float = ASSUMED_MFU
    step: float = ASSUMED_STEP
    spot_only: tuple[int, ...] = ()
    quota: str = ""


# Machine types and numbers of GPUs are those of https://cloud.google.com/vertex-ai/docs/training/configure-compute, in
# 2026. P100s do not exist any more: their support ended on 2026-09-15.
GPUS = {
    "none": Gpu("", 0.5, {0: ("n1-standard-16", 0.87)}, mfu=0.4, step=0.0),
    "t4": Gpu(
        "NVIDIA_TESLA_T4", 8.1, {1: ("n1-standard-8", 0.84), 2: ("n1-standard-16", 1.68), 4: ("n1-standard-32", 3.36)}
    ),
    "v100": Gpu(
        "NVIDIA_TESLA_V100", 15.7,
        {
            1: ("n1-standard-8", 3.29), 2: ("n1-standard-16", 6.58),
            4: ("n1-standard-32", 13.16), 8: ("n1-standard-64", 26.31),
        },
    ),
    "l4": Gpu(
        "NVIDIA_L4", 30.3,
        {
            1: ("g2-standard-8", 0.98), 2: ("g2-standard-24", 2.30),
            4: ("g2-standard-48", 4.60), 8: ("g2-standard-96", 9.20),
        },
    ),
    "a100": Gpu(
        "NVIDIA_TESLA_A100", 19.5,
        {
            1: ("a2-highgpu-1g", 4.41), 2: ("a2-highgpu-2g", 8.82),
            4: ("a2-highgpu-4g", 17.63), 8: ("a2-highgpu-8g", 35.26),
        },
    ),
    "a100-80gb": Gpu(
        "NVIDIA_A100_80GB", 19.5,
        {
            1: ("a2-ultragpu-1g", 5.78), 2: ("a2-ultragpu-2g", 11.56),
            4: ("a2-ultragpu-4g", 23.13), 8: ("a2-ultragpu-8g", 46.25),
        },
    ),
    "h100": Gpu(
        "NVIDIA_H100_80GB", 66.9,
        {
            1: ("a3-highgpu-1g", 12.63), 2: ("a3-highgpu-2g", 25.25),
            4: ("a3-highgpu-4g", 50.50), 8: ("a3-highgpu-8g", 101.01),
        },
        spot_only=(1, 2, 4), quota="nvidia_h100",
    ),
}  # fmt: skip


def find_gpu(name: str) -> Gpu:
    """The Gpu of a --gpu-type; raises a UsageError that lists all of them."""
    try:
        return GPUS[name.lower()]
    except KeyError:
        raise UsageError(f"--gpu-type {name} is not known: it is one of {', '.join(GPUS)}.") from None


def find_machine(name: str, count: int | None, spot: bool = False) -> tuple[str, float]:
    """(machine type, USD an hour on demand) for `count` GPUs of a kind; raises UsageError if there is none."""
    gpu = find_gpu(name)
    if not gpu.accelerator:
        if count not in (0, None):
            raise UsageError(f"--gpu-count is {count}, but --gpu-type none has no GPU: leave it out.")
        return gpu.machines[0]
    count = 1 if count is None else count
    if count not in gpu.machines:
        raise UsageError(
            f"--gpu-count is {count}, but a machine has {', '.join(map(str, gpu.machines))} {name.upper()} GPUs."
        )
    if count in gpu.spot_only and not spot:
        raise UsageError(f"--gpu-count {count} of {name.upper()} exists as a spot machine alone: add --spot.")
    return gpu.machines[count]


def quota_name(name: str, spot: bool = False) -> str | None:
    """The quota that a --gpu-type counts against, as the console names it; None without a GPU."""
    gpu = find_gpu(name)
    if not gpu.accelerator:
        return None
    kind = gpu.quota or gpu.accelerator.lower().replace("tesla_", "")
    return f"custom_model_training_{'preemptible_' if spot else ''}{kind}_gpus"


def spec_price(worker_pools: list[dict[str, Any]]) -> float | None:
    """USD an hour on demand of the worker pools of a job specification (JSON), or None for an unknown machine."""
    prices = {
        (gpu.accelerator, count, machine): price
        for gpu in GPUS.values()
        for count, (machine, price) in gpu.machines.items()
    }
    total = 0.0
    for pool in worker_pools:
        machine = pool["machineSpec"]
        accelerator = machine.get("acceleratorType", "").removeprefix("ACCELERATOR_TYPE_UNSPECIFIED")
        key = accelerator, int(machine.get("acceleratorCount", 0)), machine["machineType"]
        if key not in prices:
            return None
        total += prices[key] * int(pool.get("replicaCount", 1))
    return total
