"""The numbers of the training in scribe/learning/learn.py, for those who have no need of TensorFlow."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Practice:
    """How a network practises a hand.

    Attributes:
        steps: of gradient descent, at most. rate: learning rate of the weights. description_rate: of the descriptions,
            in deviations over people.
        lines: of the hand in a step. replayed: lines of others in a step, against forgetting what the hand's lack.
        prior: what a deviation of 1 from what was read costs in a number of a description, in nats.
        spread: of width, height and slant of the lines, another one in each step.
        rank: of the differences of the weights that are kept.
        check_every: steps between two looks at the line that is kept back.
        tolerance: nats per point by which that line may be predicted worse than before the practice. What is written
            gets more like the hand long after other lines of it have stopped to be predicted better (docs/HANDS.md).
    """

    steps: int = 20
    rate: float = 4e-4
    description_rate: float = 0.05
    lines: int = 4
    replayed: int = 2
    prior: float = 0.5
    spread: float = 0.05
    rank: int = 16
    check_every: int = 4
    tolerance: float = 0.15
