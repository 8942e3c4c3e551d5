"""Numbers of the hand encoder and of what training tells of hands; without TensorFlow, since JAX needs them, too."""

import math

# The encoder: channels and strides of its convolutions, how many frames each sees, and units of its hidden layer.
CHANNELS, STRIDES, WIDTH = (64, 128, 160, 160, 192), (2, 2, 1, 1, 1), 5
RESIDUAL = 3  # this convolution is added to its input
HIDDEN = 256
POINTS_PER_FRAME = math.prod(STRIDES)
# Deviation of each number of a description over people: D of them, so large, change an LSTM about as much as the
# one-hot of a character does, and learn as fast by the same learning rate.
DEVIATION = 0.2
# Frames of a character that count as much as knowing nothing of it; an instance of a letter has about five.
PRIOR_FRAMES = 2.5
MIN_FRAMES = 1.5  # of ink: of a character with less nothing is known

# Training in hands: share of the spread of width, height and slant by which a line is changed further than its hand
# tells, and share of the lines that are left as they are, but for that.
JITTER, UNCHANGED = 0.25, 0.3
# Shares of the lines that are written without a hand, without its vector, and without its glyphs; share of the
# characters that are left out; and noise on what is told, in deviations over people.
NO_HAND, NO_VECTOR, NO_GLYPHS, NO_CHARACTER, NOISE = 0.12, 0.05, 0.05, 0.1, 0.2
TOLD_AT_VALIDATION = 4  # lines of a form, at most
