"""Writes text with the archived TensorFlow 1 network; run.py --sample calls it.

The pieces below `sample` make the stored outputs that the converted network is held against.
"""

import os

import numpy as np

from utils import STYLES_FILE, load_strokes, to_one_hot

PEN_LIFTS_ABOVE = 0.35  # as the TF1 scribe had it: no draw, the pen lifts where its probability is greater
STYLE_POINTS = 500

_DENSITY = ("eos", "pi", "mu1", "mu2", "sigma1", "sigma2", "rho", "pi_hat", "sigma1_hat", "sigma2_hat")
_WINDOW = ("window", "phi", "new_kappa")


def step(model, point, one_hot, states):
    """One point through the graph, which must have been built without `train`.

    Args:
        point: [3]. one_hot: [U, A]. states: from `model.zero_states()` or an earlier call.

    Returns:
        a dict of the density and of the window, one row each; the states to go on from.
    """
    after = [model.fstate_cell0, model.fstate_cell1, model.fstate_cell2]
    before = [model.istate_cell0, model.istate_cell1, model.istate_cell2]
    outputs = {name: getattr(model, name) for name in _DENSITY + _WINDOW}
    feed = dict(states)
    feed[model.input_data] = np.reshape(point, [1, 1, 3])
    feed[model.char_seq] = one_hot[None]
    found, after = model.sess.run([outputs, after], feed)
    states = {model.init_kappa: found["new_kappa"]}
    for old, new in zip(before, after):
        states.update(zip(old, new))
    return {name: np.reshape(value, [-1]) for name, value in found.items()}, states


def run_line(model, points, one_hot):
    """All points of a line, one after the other: a dict of arrays [n, ...], and the states after the last one."""
    states, rows = model.zero_states(), []
    for point in points:
        row, states = step(model, point, one_hot, states)
        rows.append(row)
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}, states


def continue_greedily(model, point, one_hot, states, n):
    """n points without chance: the mean of the heaviest component; the pen lifts where that is likelier than not.

    Returns:
        points [n, 3], the first is what follows `point`; their components [n].
    """
    points, components = [], []
    for _ in range(n):
        row, states = step(model, point, one_hot, states)
        j = int(np.argmax(row["pi"]))
        point = np.array([row["mu1"][j], row["mu2"][j], row["eos"][0] > 0.5], np.float32)
        points.append(point)
        components.append(j)
    return np.stack(points), np.array(components)


def style_states(model, args, ascii_steps):
    """The states to start from: zeros, or the cell states after a sample of styles.p was read."""
    if args.style < 0:
        return model.zero_states()
    strokes, texts = load_strokes(os.path.join(args.data_dir, STYLES_FILE))
    one_hot = to_one_hot(texts[args.style], ascii_steps, args.alphabet)
    _, read = run_line(model, strokes[args.style][:STYLE_POINTS], one_hot)
    states = model.zero_states()
    for state in (model.istate_cell0, model.istate_cell1, model.istate_cell2):
        states[state.c] = read[state.c]
    return states


def sample(text, model, args, random):
    """Writes one line, of args.tsteps points, whatever the text.

    Args:
        text: characters after args.tsteps / args.tsteps_per_ascii are not seen. random: a np.random.RandomState.

    Returns:
        strokes [n, 6] (x, y: sums of the means of the drawn components; sigma1, sigma2, rho; pen lift), phis [n, U],
        windows [n, A], kappas [n, K].
    """
    ascii_steps = args.tsteps // args.tsteps_per_ascii
    one_hot = to_one_hot(text, ascii_steps, args.alphabet)
    states = style_states(model, args, ascii_steps)
    point = np.array([0, 0, 1], np.float32)
    strokes, phis, windows, kappas = [], [], [], []
    for _ in range(args.tsteps):
        row, states = step(model, point, one_hot, states)
        weights = np.exp((row["pi_hat"] - row["pi_hat"].max()) * (1 + args.bias))
        j = random.choice(len(weights), p=weights / weights.sum())
        sigma1, sigma2 = np.exp(row["sigma1_hat"][j] - args.bias), np.exp(row["sigma2_hat"][j] - args.bias)
        mean, rho = (row["mu1"][j], row["mu2"][j]), row["rho"][j]
        covariance = [[sigma1**2, rho * sigma1 * sigma2], [rho * sigma1 * sigma2, sigma2**2]]
        lift = float(row["eos"][0] > PEN_LIFTS_ABOVE)
        point = np.array(list(random.multivariate_normal(mean, covariance)) + [lift], np.float32)
        # The next step is fed the point that was drawn, but the picture shows the mean, as the TF1 scribe's did.
        strokes.append([mean[0], mean[1], sigma1, sigma2, rho, lift])
        phis.append(row["phi"])
        windows.append(row["window"])
        kappas.append(row["new_kappa"])
    strokes = np.array(strokes)
    strokes[:, :2] = np.cumsum(strokes[:, :2], axis=0)
    return strokes, np.stack(phis), np.stack(windows), np.stack(kappas)


def line_plot(strokes, title, path):
    """Draws a line; needs Matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(max(4, len(title)), 2))
    for stroke in np.split(strokes, np.flatnonzero(strokes[:, 5] == 1) + 1):
        axes.plot(stroke[:, 0], stroke[:, 1], "b-", linewidth=2.0)
    axes.set_title(title)
    axes.invert_yaxis()
    axes.axis("equal")
    figure.savefig(path)
    pyplot.close(figure)


def window_plot(phis, windows, path):
    """Draws the attention over the text, and the window over the alphabet; needs Matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, parts = pyplot.subplots(1, 2, figsize=(16, 4))
    for axes, values, name in zip(parts, (phis, windows), ("character", "index in the alphabet")):
        axes.imshow(values, interpolation="nearest", aspect="auto")
        axes.set_xlabel(name)
        axes.set_ylabel("point")
    figure.savefig(path)
    pyplot.close(figure)
