"""tools/train_by_readers_jax.py: lines are written, seen and read on the device as scribe does it, and are held right
against each other."""

import importlib
import itertools
import math
import os
import sys

import numpy as np
import pytest

from data_helpers import make_line, write_data
from model import load_model
from model_helpers import save_tiny_model
from scribe.files.stroke_file import DATA_FILE, load_strokes
from scribe.hands.catalogue import Catalogue, save_catalogue
from scribe.hands.hand import Hand
from scribe.ink.alphabet import ALPHABET
from scribe.ink.strokes import absolute_points
from scribe.writing import bias as bias_rule
from scribe.writing import line_ends, picture_recogniser, recogniser
from scribe.writing.misread import error_share
from scribe.writing.points import Drawn
from scribe.writing.readings import LOOK_ALIKE
from scribe.writing.rows import PLACES_AFTER, LineText, RowState

jax = pytest.importorskip("jax")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
hands_for_jax = importlib.import_module("tools.hands_for_jax")
tool = importlib.import_module("tools.train_by_readers_jax")
ctc, judge_training, line_features, network, readers, rewards, subjects, written = (
    importlib.import_module(f"jax_training.{name}")
    for name in ("ctc", "judge_training", "line_features", "network", "readers", "rewards", "subjects", "written")
)
jnp = jax.numpy

pytestmark = pytest.mark.xdist_group("readers_jax")  # the compiled programs

D = 4
SCALE = 50.0  # of the offsets of the network, in raw units
LONGEST = 900
R, W = 1400, 1800  # more than the longest of the lines has


@pytest.fixture(scope="module", autouse=True)
def compiled_soon():
    """Loops that are not unrolled, and programs that are not made fast, take a third of the time to compile."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (ctc, readers, written):
            patch.setattr(module, "UNROLL", 1)
        before = jax.config.read("jax_disable_most_optimizations")
        jax.config.update("jax_disable_most_optimizations", True)
        yield
        jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module")
def people():
    """Some lines of the corpus, which stand for people's: points as the network has them, their texts."""
    strokes, texts = load_strokes(os.path.join(ROOT, "data", DATA_FILE))
    chosen = [k for k, line in enumerate(strokes) if 100 < len(line) <= LONGEST][:6]
    lines = [np.asarray(strokes[k], np.float32) / [SCALE, SCALE, 1] for k in chosen]
    return lines, [texts[k] for k in chosen]


@pytest.fixture(scope="module")
def seen(people):
    """The same lines on the device, and what is `Seen` of them."""
    lines, _ = people
    points = np.zeros([len(lines), LONGEST, 3], np.float32)
    for row, line in zip(points, lines):
        row[: len(line)] = line
    counts = np.array([len(line) for line in lines], np.int32)
    return points, counts, jax.jit(line_features.seen, static_argnums=(2, 3))(points, counts, R, W)


# -------------------------------------------------------------------------------------------- what readers see and read


def test_numbers_that_are_repeated_are_those_of_the_recognisers():
    of_path, of_pictures, own = recogniser, picture_recogniser, line_features
    assert (own.STEP, own.FEATURES) == (of_path.STEP, of_path.FEATURES)
    names = "HEIGHT", "MIDDLE", "X_HEIGHT", "ACROSS", "MARGIN", "SHRINK"
    assert [getattr(own, n) for n in names] == [getattr(of_pictures, n) for n in names]
    pen = round(of_pictures.FINER * of_pictures.PEN * (of_pictures.ACROSS + of_pictures.X_HEIGHT) / 2)
    assert 2 * own.PEN_RADIUS == pen / of_pictures.FINER
    assert (readers.PATH_BLOCKS, readers.PICTURE_BLOCKS) == (of_path.BLOCKS, of_pictures.BLOCKS)
    assert readers.SHRINK == of_pictures.SHRINK
    assert readers.PICTURE_STEPS == tuple((down, along) for *_, down, along in of_pictures.CONVOLUTIONS)


def test_the_path_is_that_of_scribe(people, seen):
    _, _, views = seen
    for line, path, steps in zip(people[0], views.path, views.steps, strict=True):
        expected = recogniser.path_features(absolute_points(line))
        assert 100 < len(expected) == steps
        np.testing.assert_allclose(path[:steps], expected, atol=1e-3)
        assert not path[steps:].any()


def test_the_picture_is_nearly_that_of_scribe(people, seen):
    _, _, views = seen
    for line, picture, columns in zip(people[0], views.pictures, views.columns, strict=True):
        expected = picture_recogniser.line_picture(absolute_points(line)) / 255
        assert abs(expected.shape[1] - columns) <= line_features.SHRINK
        expected = np.pad(expected, ((0, 0), (0, W - expected.shape[1])))
        inked = expected.any(axis=0)
        assert abs(picture - expected)[:, inked].mean() < 0.03 and expected[:, inked].mean() > 0.05
        assert not picture[:, columns:].any()


def test_a_line_without_ink_has_features_too():
    points = np.zeros([2, 8, 3], np.float32)
    points[0, :3] = [[0, 0, 1], [2, 1, 1], [2, 0, 1]]
    views = jax.jit(line_features.seen, static_argnums=(2, 3))(points, np.array([3, 1]), 16, 160)
    assert all(np.isfinite(np.asarray(v)).all() for v in views) and min(views.steps) >= 1 and views.pictures[0].any()
    expected = recogniser.path_features(absolute_points(points[0, :3]))
    np.testing.assert_allclose(views.path[0, : len(expected)], expected, atol=1e-4)


def test_both_recognisers_read_on_the_device_what_they_read_in_scribe(people, seen):
    lines, texts = people
    _, _, views = seen
    path, pictures = tool.recognisers(ALPHABET)
    own = recogniser.load_recogniser()
    for most, logits, frames, of_scribe in (
        (0, *jax.jit(readers.read_path)(path, views.path, views.steps), own),
        (0.02, *jax.jit(readers.read_picture)(pictures, views.pictures, views.columns), own.eye),
    ):
        found = ctc.read(np.asarray(ctc.best_reading(logits)), np.asarray(frames), ALPHABET)
        strokes = [absolute_points(line) for line in lines]
        expected = of_scribe.read(strokes)
        assert error_share(expected, found) <= most  # the discs of pictures are not quite what Pillow draws
        assert error_share(texts, found) < 0.15
        if not most:
            assert frames.tolist() == [len(shares) for shares in of_scribe.frame_shares(strokes)]


def test_the_picture_reader_is_that_of_scribe_on_the_same_pictures(people):
    lines, _ = people
    eye = recogniser.load_recogniser().eye
    x, columns = eye.together([eye.features(absolute_points(line)) for line in lines])
    expected, _, frames = eye(x, columns)
    _, weights = tool.recognisers(ALPHABET)
    logits, own_frames = jax.jit(readers.read_picture)(weights, x.astype(np.float32) / 255, columns)
    np.testing.assert_array_equal(own_frames, frames)
    for k, count in enumerate(own_frames):
        np.testing.assert_allclose(logits[:count, k], expected[:count, k], atol=2e-2)
    found = ctc.read(np.asarray(ctc.best_reading(logits)), np.asarray(own_frames), ALPHABET)
    assert found == eye.read([absolute_points(line) for line in lines])


def test_what_looks_alike_counts_by_its_share_and_nothing_else_does():
    matrix = readers.alike(ALPHABET, 0.5)
    o, zero, a = (ALPHABET.index(c) for c in "o0a")
    assert matrix[o, zero] == matrix[zero, o] == 0.5 and matrix[a, o] == 0 and (np.diag(matrix) == 1).all()
    assert (matrix == 0.5).sum() == sum(len(group) * (len(group) - 1) for group in LOOK_ALIKE)


# -------------------------------------------------------------------------------------------------------------- writing


def test_a_point_is_drawn_by_the_rule_of_scribe():
    B, M = 400, 5
    rng = np.random.default_rng(0)
    y = rng.normal(0, 1, [B, 1 + 6 * M]).astype(np.float32)
    y[:, 1 + 3 * M : 1 + 5 * M] -= 2  # some components rest
    y[:, 1 + M : 1 + 3 * M] *= 0.3
    noise = np.concatenate([rng.normal(size=[B, 2]), rng.random([B, 2])], axis=1).astype(np.float32)
    bias = rng.choice([0.0, 0.1, 0.3, 1.0], [B, 1]).astype(np.float32)
    begins = rng.integers(0, 2, [B, 1]).astype(np.float32)
    expected = bias_rule.draw_point(y, M, bias, noise, resting=0.3, begins=begins)[:, [0, 1, 5]]
    np.testing.assert_allclose(written.draw_point(y, bias, noise, 0.3, begins), expected, atol=1e-4)
    never = bias_rule.draw_point(y, M, bias, noise, resting=0.0, begins=begins)[:, [0, 1, 5]]
    assert (abs(never - expected) > 0.01).any(axis=1).mean() > 0.02  # the rule about rest was tried
    assert max(subjects.BIASES) <= bias_rule.LIFT_BIAS_FROM  # above it, the bias would change the pen lifts, too


def test_lines_end_where_those_of_scribe_do():
    T, B, rng = 60, 500, np.random.default_rng(1)
    points = np.concatenate([rng.normal(0.2, 0.5, [T, B, 2]), rng.random([T, B, 1]) < 0.15], axis=-1).astype(np.float32)
    positions = (np.cumsum(rng.random([T, B]) * 0.06, axis=0) - 1).astype(np.float32)
    passed_at = np.where(np.arange(B) % 3, line_ends.MAYBE_PASSED, np.inf).astype(np.float32)
    drawn = Drawn(np.concatenate([points[..., :2], np.zeros([T, B, 3]), points[..., 2:]], axis=-1), *[None] * 4)
    drawn = drawn._replace(positions=positions)
    nothing = np.zeros(B)
    text = LineText(*[None] * 5, passed_at, np.full(B, T + 1))
    state = RowState(None, np.zeros([B, 3]), nothing.astype(int), nothing, nothing, nothing > 0)
    ends = line_ends.find_ends(text, state, drawn)
    expected = ends.after(drawn).points
    counts, finished = written.find_ends(jnp.asarray(points), jnp.asarray(positions), passed_at)
    assert finished.tolist() == ends.ended.tolist() and 0.5 < np.mean(finished) < 1
    assert counts.tolist() == expected.tolist()
    assert (np.asarray(counts) != ends.count).any()  # a stroke that began beyond the end of a line was left out


def random_weights(A, H=6, K=2, M=3):
    """Of a network with a hand_size."""
    rng = np.random.default_rng(0)
    shapes = {"attention_kernel": (H, 3 * K), "mdn_kernel": (3 * H, 1 + 6 * M)}
    for layer, below in (("lstm0", 0), ("lstm1", H), ("lstm2", H)):
        shapes |= {f"{layer}_kernel": (3 + A + below, 4 * H), f"{layer}_recurrent_kernel": (H, 4 * H)}
        shapes |= {f"{layer}_hand_kernel": (D, 4 * H), f"{layer}_glyph_kernel": (D, 4 * H)}
    weights = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    biases = {"attention_bias": 3 * K, "mdn_bias": 1 + 6 * M} | {f"lstm{k}_bias": 4 * H for k in range(3)}
    weights |= {name: rng.normal(0, 0.5, size).astype(np.float32) for name, size in biases.items()}
    weights["attention_bias"] -= np.repeat([0, 0, 1.0], K).astype(np.float32)
    return weights


def some_lines(alphabet, bias=0.1):
    """Two texts of different length in two of three hands."""
    rng = np.random.default_rng(2)
    hands = written.Hands(rng.normal(size=[3, D]), rng.normal(size=[3, len(alphabet) + 1, D]))
    hands.glyphs[:, 0] = 0
    hands = written.Hands(*(jnp.asarray(v, jnp.float32) for v in hands))
    return hands, written.to_write(["bad cab", "di"], [2, 0], [1.0, 1.3], [bias, bias], alphabet, 9)


def test_the_network_that_writes_is_the_one_that_is_trained():
    alphabet = " abcdi"
    weights, (hands, lines) = random_weights(len(alphabet) + 1), some_lines(alphabet)
    told = written.told_of(hands, lines)
    assert told.glyphs[0, 0].tolist() == hands.glyphs[2, alphabet.index("b") + 1].tolist()
    np.testing.assert_allclose(told.glyphs[1, 1], 1.3 * hands.glyphs[0, alphabet.index("i") + 1], rtol=1e-6)
    assert not told.glyphs[1, 2:].any() and not told.one_hot[1, 2:].any()
    x = np.random.default_rng(3).normal(size=[12, 2, 3]).astype(np.float32)
    expected = network.network(weights, x, told.one_hot, hand=told.hand, glyphs=told.glyphs)
    state, step = written.make_step(weights, told, lines.counts)
    step = jax.jit(step)
    for point, y in zip(x, expected, strict=True):
        state, found, phi = step(state, point)
        np.testing.assert_allclose(found, y, rtol=1e-4, atol=1e-5)
        assert not phi[1, 2 + PLACES_AFTER :].any() and phi[1, : 2 + PLACES_AFTER].all()


def test_written_lines_are_empty_after_their_ends_and_their_places_go_on():
    alphabet = " abcdi"
    hands, lines = some_lines(alphabet)
    write = jax.jit(written.write_lines, static_argnames=("length", "compute"))
    made = write(random_weights(len(alphabet) + 1), hands, lines, jax.random.key(0), length=80, resting=0.06)
    assert made.points.shape == (2, 80, 3) and lines.passed_at.tolist() == [np.float32(0.1), np.inf]
    for points, count, places, n in zip(made.points, made.counts, made.places, lines.counts, strict=True):
        assert points[:count].any() and not points[count:].any()
        assert (np.diff(places) >= 0).all() and places[-1] < n
    assert made.finished.any() and min(made.counts) < 80


# ------------------------------------------------------------------------------------------------------- judging a line


def alignments(codes, frames, blank):
    """All ways to read the characters in so many frames: tuples of states, 2k + 1 for character k, even for blanks."""
    S = 2 * len(codes) + 1

    def follows(a, b):
        return b in (a, a + 1) or (b == a + 2 and b % 2 and codes[b // 2] != codes[a // 2])

    for states in itertools.product(range(S), repeat=frames):
        if states[0] < 2 and states[-1] >= S - 2 and all(map(follows, states, states[1:])):
            yield states


def test_scores_of_characters_are_the_weighted_log_probabilities_of_their_frames_and_half_of_the_blanks():
    rng, frames, blank = np.random.default_rng(0), np.array([6, 5]), 3
    logs = np.asarray(jax.nn.log_softmax(rng.normal(0, 2, [6, 2, 4]).astype(np.float32)))
    codes, counts = np.array([[0, 1, 1], [2, 0, -2]]), np.array([3, 2])
    e = ctc.emitted(logs, codes)
    found = jax.jit(ctc.log_probability)(e, frames, codes, counts)
    scores = np.asarray(jax.jit(ctc.character_scores)(logs, frames, codes, counts))
    for b in range(2):
        text = codes[b, : counts[b]].tolist()
        emits = [blank if s % 2 == 0 else text[s // 2] for s in range(2 * len(text) + 1)]
        total, expected, whole = 0.0, np.zeros(3), 0.0
        for states in alignments(text, frames[b], blank):
            of_frames = [logs[t, b, emits[s]] for t, s in enumerate(states)]
            p = math.exp(sum(of_frames))
            total += p
            whole += p * sum(of_frames)
            for value, s in zip(of_frames, states, strict=True):
                left, right = (max(0, s // 2 - 1), min(len(text) - 1, s // 2)) if s % 2 == 0 else (s // 2, s // 2)
                expected[left] += p * value / 2
                expected[right] += p * value / 2
        assert found[b] == pytest.approx(math.log(total), abs=1e-4)
        np.testing.assert_allclose(scores[b], expected / total, atol=1e-4)
        assert scores[b].sum() == pytest.approx(whole / total, abs=1e-4)


def test_a_character_that_is_read_as_another_has_a_lower_score_and_the_others_keep_theirs():
    logits = np.full([8, 1, 5], -4.0, np.float32)
    logits[np.arange(8), 0, [0, 4, 1, 4, 4, 2, 4, 4]] = 4
    frames, codes, counts = np.array([8]), np.array([[0, 1, 2]]), np.array([3])
    scores_of = jax.jit(lambda logs: ctc.character_scores(logs, frames, codes, counts)[0])
    right = np.asarray(scores_of(ctc.log_shares(logits)))
    assert (right > -0.1).all()
    misread = logits.copy()
    misread[2, 0, [1, 3]] = misread[2, 0, [3, 1]]
    wrong = np.asarray(scores_of(ctc.log_shares(misread)))
    assert wrong[1] < right[1] - 2 and abs(wrong - right)[[0, 2]].max() < 0.5
    alike = np.eye(5)
    alike[3, 1] = alike[1, 3] = 0.5
    forgiven = scores_of(ctc.log_shares(misread, alike))
    assert wrong[1] < forgiven[1] < right[1]


def test_a_line_with_fewer_frames_than_characters_has_the_worst_score_for_each_of_them():
    logs, codes = np.asarray(jax.nn.log_softmax(np.zeros([6, 1, 4]))), np.array([[0, 1, 2, -2]])
    scores = jax.jit(ctc.character_scores)(logs, np.array([2]), codes, np.array([3]))
    assert scores.tolist() == [[ctc.TOO_SHORT] * 3 + [0]]


def test_advantages_of_a_character_are_zero_on_average_over_the_lines_of_its_text():
    G, U, rng = 4, 5, np.random.default_rng(0)
    values, known = rng.normal(3, 1, [3 * G, U]), rng.random([3 * G, U]) < 0.8
    found = rewards.centred(values, known, G)
    np.testing.assert_allclose(found.reshape(3, G, U).sum(axis=1), 0, atol=1e-5)
    assert not found[~known].any()
    assert known.any() and not known.all()
    for k in range(3 * G):
        both = known[k] & known[k - k % G]  # beside the first line of the same text
        difference = values[k] - values[k - k % G]
        np.testing.assert_allclose((found[k] - found[k - k % G])[both], difference[both], atol=1e-5)


@pytest.mark.slow
def test_of_two_lines_of_a_text_the_one_that_can_be_read_has_the_advantage(people, seen):
    lines, texts = people
    k = int(np.argmin([len(line) for line in lines]))
    other = int(np.argmax([len(line) for line in lines]))
    points, counts, _ = seen
    points, counts = points[[k, other, k, other]], counts[[k, other, k, other]]
    to_write = written.to_write([texts[k]] * 2 + [texts[other]] * 2, [0] * 4, [1] * 4, [0.1] * 4, ALPHABET, 60)
    n, t = to_write.counts[:, None], np.arange(LONGEST)
    places = np.minimum(t * n // counts[:, None], n - 1).astype(np.int32)
    made = written.Written(points, counts, places, np.ones(4, bool))
    judges = rewards.Judges(*tool.recognisers(ALPHABET), *tool.small_networks(0, ALPHABET))
    judge = jax.jit(rewards.judge, static_argnames=("G", "likeness_weight"))
    judged = judge(judges, to_write, made, jax.random.key(0), G=2, likeness_weight=0.0)
    advantages = np.asarray(judged.advantages)
    assert (advantages[[0, 3]].mean(axis=1) > 0.2).all() and (advantages[[1, 2]].mean(axis=1) < -0.2).all()
    assert not advantages[t >= counts[:, None]].any()
    for best, frames in zip(judged.best[:2], judged.frames[:2], strict=True):  # the third reader is not trained
        reads = ctc.read(np.asarray(best), np.asarray(frames), ALPHABET)
        assert error_share([texts[k], texts[other]], [reads[0], reads[3]]) < 0.2


def test_a_point_has_the_advantage_of_its_character_and_less_of_those_ahead():
    places = np.array([[0, 0, 1, 1, 2, 2, 3, 3]])
    within = np.array([[1, 1, 1, 1, 1, 1, 1, 0.0]])
    found = rewards.advantages_of_points(np.array([[0.0, 0.0, 1.0, 0.0]]), places, within)[0]
    assert found[4] == found[5] > 0 and not found[6:].any()
    np.testing.assert_allclose(found[:4] / found[4], [0.25, 0.25, 0.5, 0.5], rtol=1e-5)
    assert np.sqrt((found**2).sum() / within.sum()) == pytest.approx(1, abs=1e-3)
    means, there = rewards.means_of_characters(np.arange(8.0)[None], places, within, 5)
    assert means.tolist() == [[0.5, 2.5, 4.5, 6, 0]] and there.tolist() == [[True, True, True, True, False]]


def test_the_likeness_learns_to_tell_people_s_lines_from_smoother_ones():
    rng = np.random.default_rng(0)
    lines = np.concatenate([rng.normal(0.3, 0.3, [16, 48, 2]), rng.random([16, 48, 1]) < 0.1], axis=-1)
    of_people = lines[:8].astype(np.float32), np.full(8, 48)
    smooth = lines[8:].astype(np.float32)
    smooth[..., :2] *= 0.3
    weights = jax.tree.map(jnp.asarray, readers.likeness_weights(0))
    state = importlib.import_module("jax_training.adam").adam_state(weights)
    step = jax.jit(judge_training.likeness_step)
    for k in range(20):
        weights, state, right = step(weights, state, of_people, (smooth, np.full(8, 40)), jax.random.key(k), 1e-3)
    assert right > 0.95
    odds, frames = readers.likeness(weights, lines.astype(np.float32), np.full(16, 40))
    assert odds.shape == (12, 16) and frames.tolist() == [10] * 16


def test_the_reader_of_points_learns_and_does_not_see_what_comes_after_a_line():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0.3, 0.3, [4, 48, 2]), rng.random([4, 48, 1]) < 0.1], -1).astype(np.float32)
    counts, codes, n = np.array([48, 40, 33, 25]), rng.integers(0, 5, [4, 6]), np.array([6, 5, 4, 3])
    weights = jax.tree.map(jnp.asarray, readers.point_reader_weights(0, 6))
    state = importlib.import_module("jax_training.adam").adam_state(weights)
    step, nats = jax.jit(judge_training.reader_step), []
    for k in range(12):
        weights, state, loss = step(weights, state, points, counts, codes, n, jax.random.key(k), 2e-3)
        nats.append(float(loss))
    assert nats[-1] < nats[0] - 0.5
    changed = points.copy()
    changed[3, 25:] = 7
    read = jax.jit(readers.read_points)
    logits, _, frames = read(weights, points, counts)
    others, _, _ = read(weights, changed, counts)
    assert frames.tolist() == [12, 10, 9, 7]
    np.testing.assert_allclose(others[:7, 3], logits[:7, 3], atol=1e-5)


# ------------------------------------------------------------------------------------------------ what is to be written


def test_texts_are_cut_at_a_space_and_those_with_rare_or_unknown_characters_are_left_out():
    texts = ["  over the hills ", "far", "a/b", "caf\u00e9", "x", "overthehills"]
    assert subjects.writable(texts, ALPHABET, 10) == ["over the", "far", "overthehil"]
    assert subjects.writable(["over the hills"], ALPHABET, 8) == ["over the"]


def test_half_of_a_draw_are_people_s_texts_in_hands_of_forms_and_the_lines_of_a_text_are_alike():
    drawn = subjects.Subjects(
        ["ab", "cd"], ["ef", "gh"], ["i!"], alphabet=ALPHABET, characters=4, catalogue=3, forms=[1, 9], texts=40,
        tries=3, seed=0,
    )  # fmt: skip
    lines = drawn.draw()
    assert lines.text.shape == (120, 4) and drawn.people == 60
    assert set(lines.hands[:60]) == {3, 4} and set(lines.hands[60:]) == {0, 1, 2, 3, 4}
    assert (lines.hands[:60] == 4).mean() > 0.7  # a form with more lines is drawn more often
    first = ALPHABET.index("e") + 1
    assert (lines.text[:60, 0] < first).all() and (lines.text[60:, 0] >= first).all()
    for values in lines:
        assert (values.reshape(40, 3, -1) == values.reshape(40, 3, -1)[:, :1]).all()
    again = drawn.validation()
    assert again.passed_at.tolist() == [np.inf] * 120 and (again.hands < 3).all()
    assert all((a == b).all() for a, b in zip(again, drawn.validation(), strict=True))


# ------------------------------------------------------------------------------------------------------------- the tool


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with lines and weights of a tiny network, and a catalogue of two hands."""
    folder, rng = tmp_path_factory.mktemp("readers_jax"), np.random.default_rng(0)
    strokes, texts, names = [], [], []
    for form in range(6):
        for number in range(5):
            points, text = make_line(rng, characters=5 + number % 3, points_per_character=10)
            strokes.append(points)
            texts.append(text)
            names.append(f"f{form}-{number:02d}")
    write_data(folder, strokes=strokes, texts=texts, names=names)
    save_tiny_model(folder, hand_size=D)
    hands = [Hand(rng.normal(size=D).astype(np.float32), {}, name="plain") for _ in range(2)]
    save_catalogue(folder / "hands.npz", Catalogue(hands, {}))
    (folder / "texts.txt").write_text("far away\nover the hills\n")
    flags = ["--data_dir", folder, "--save_path", folder / "checkpoint", folder / "gpu"]
    assert hands_for_jax.main(list(map(str, flags))) == 0
    return folder


def flags_of(folder, **changes):
    flags = {"steps": 2, "seconds": 1000, "reader_steps": 2, "texts_per_step": 2, "tries": 2, "batch_size": 2}
    flags |= {"tsteps": 120, "characters": 8, "dtype": "float32", "unroll": 1, "validate_every": 2}
    flags |= {"hands": folder / "hands.npz", "texts": folder / "texts.txt"} | changes
    return [str(folder / "gpu"), *(f"--{name}={value}" for name, value in flags.items())]


@pytest.mark.slow
def test_training_changes_the_network_alone_and_comes_back_as_a_checkpoint(exported, capsys, monkeypatch):
    monkeypatch.setattr(rewards, "PATH_STEPS", 120)
    monkeypatch.setattr(rewards, "COLUMNS", 160)
    monkeypatch.setattr(tool, "LIKENESS_STEPS_BEFORE", 7)
    assert tool.main(flags_of(exported)) == 0
    told = capsys.readouterr().err
    assert told.count("misread") == 2 and "nats/character" in told and "told apart" in told
    with np.load(exported / "gpu" / "weights.npz") as before, np.load(exported / "gpu" / "trained.npz") as after:
        before, after = dict(before), dict(after)
    assert before.keys() == after.keys() and {v.dtype for v in after.values()} == {np.dtype(np.float32)}
    assert all(np.isfinite(v).all() for v in after.values())
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {name for name in before if not name.startswith("encoder_")}

    flags = ["--back", "--save_path", exported / "checkpoint", exported / "gpu"]
    assert hands_for_jax.main(list(map(str, flags))) == 0
    found = hands_for_jax.variables_of(load_model(str(exported / "gpu" / "checkpoint")))
    for name, variable in found.items():
        np.testing.assert_array_equal(variable.numpy(), after[name], err_msg=name)


def test_what_was_judged_better_becomes_likelier_and_the_encoder_has_no_gradient(exported):
    args = tool.parse_args(flags_of(exported, choice_weight=100, dropout=1))
    lines, weights, data_scale = tool.load(args)
    assert data_scale == SCALE
    programs = tool.ReaderPrograms(args, lines, weights, data_scale)
    assert not any(name.startswith("encoder") for name in programs.state["weights"])
    subject, hands = tool.subjects_and_hands(args, lines, programs)
    to_write = subject.draw()
    made = programs.write(programs.state["weights"], hands, to_write, 0)
    within = np.arange(args.tsteps) < np.asarray(made.counts)[:, None]
    better = np.array([1.0, -1.0, 0.0, 0.0])[:, None] * within
    (length,) = {shape[1] for shape in lines.shapes}
    step = tool.Step(lines.batch()[1], hands, to_write, made, jnp.asarray(better, jnp.float32))
    of_loss = jax.jit(jax.value_and_grad(programs._loss, has_aux=True), static_argnums=4)
    own = programs.state["weights"]
    (_, (nats, chosen)), gradient = of_loss(own, programs.arrays, step, programs.key, length)
    moved = {name: value - 1e-3 * gradient[name] / 100 for name, value in own.items()}
    (_, (_, later)), _ = of_loss(moved, programs.arrays, step, programs.key, length)
    assert later < chosen and np.isfinite(nats)
    unjudged = step._replace(advantages=jnp.zeros_like(step.advantages))
    (_, (_, nothing)), _ = of_loss(own, programs.arrays, unjudged, programs.key, length)
    assert nothing == 0


@pytest.mark.parametrize("missing", ["lines.npz", "weights.npz"])
def test_a_folder_without_its_files_is_told_in_one_line(missing, tmp_path, capsys):
    for name in {"lines.npz", "weights.npz"} - {missing}:
        (tmp_path / name).write_bytes(b"")
    assert tool.main([str(tmp_path)]) != 0
    told = capsys.readouterr().err
    assert missing in told and told.count("\n") == 1


@pytest.mark.parametrize("flag", ["--tries=1", "--tsteps=902", "--dropout=0", "--steps=0"])
def test_a_flag_that_makes_no_sense_is_told_in_one_line(flag, tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        tool.main([str(tmp_path), flag])
    told = capsys.readouterr().err
    assert error.value.code == 2 and flag[: flag.index("=")] in told and told.count("\n") == 1


def test_a_catalogue_for_another_network_is_told_in_one_line(exported, capsys):
    assert tool.main(flags_of(exported, hands=os.path.join(ROOT, "data", "hands.npz"))) != 0
    told = capsys.readouterr().err
    assert "hands.npz" in told and told.count("\n") == 1
