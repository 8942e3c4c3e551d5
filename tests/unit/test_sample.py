"""The sampler: what it draws, when it stops, what it refuses."""

import dataclasses
import time
import types
import warnings
from collections import Counter

import numpy as np
import pytest

from model import HandwritingModel, load_model, split_head
from sample import contradictions, parse_args, sample, sample_batch, to_one_hot
from scribe.files.stroke_file import save_strokes
from scribe.hands.hand import HandError
from scribe.network.point_network import LstmBiases, NetworkState
from scribe.writing import line_writer, proofread, sampler
from scribe.writing.bias import COMPONENT_BIAS, STROKE_BIAS, asked_bias, draw_point, paper_bias
from scribe.writing.failures import Failure
from scribe.writing.proofread import sample_checked
from scribe.writing.slips import Slip
from scribe.writing.styles import MIN_TEXT_GAIN, load_style, text_gain

ALPHABET = " abcde."


@pytest.fixture(scope="module")
def model():
    """Tiny, with weights from NumPy, so that they do not depend on the version of Keras; its window walks on."""
    model = HandwritingModel(types.SimpleNamespace(rnn_size=12, nmixtures=3, kmixtures=2, alphabet=ALPHABET))
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.2, variable.shape))
    model.attention_layer.bias.assign([0, 0, 0.5, 0.5, -1.0, -1.0])  # a third of a character a point
    return model


def hand(components, eos=0.3):
    """A head output [1, 1 + 6M] from (share, mu1, mu2, sigma1, sigma2, rho) of every component."""
    shares, mu1, mu2, sigma1, sigma2, rho = np.array(components, float).T
    parts = [[np.log(eos / (1 - eos))], np.log(shares), mu1, mu2, np.log(sigma1), np.log(sigma2), np.arctanh(rho)]
    return np.concatenate(parts)[None].astype(np.float32)


def draw_many(y, nmixtures, bias=0.0, resting=0.0, n=200_000, **where):
    rng = np.random.default_rng(1)
    noise = np.concatenate([rng.standard_normal((n, 2)), rng.random((n, 2))], axis=1).astype(np.float32)
    biases = np.full((n, 1), bias, np.float32)
    return draw_point(np.repeat(y, n, axis=0), nmixtures, biases, noise, resting, **where)


def favoured(*shares, by):
    """Shares of components whose logarithms are multiplied by 1 + by, as eq. 62 does with a bias of that size."""
    raised = np.array(shares) ** (1 + by)
    return raised / raised.sum()


@pytest.mark.smoke
def test_points_have_the_moments_of_the_density_they_are_drawn_from():
    y = hand([(0.7, 1.0, -2.0, 0.5, 2.0, 0.6), (0.3, -4.0, 3.0, 1.0, 0.3, -0.8)])
    points = draw_many(y, 2)
    narrow = points[:, 2] < 0.75  # sigma1 tells which component a point is from
    assert narrow.mean() == pytest.approx(0.7, abs=0.005)
    for chosen, (mu1, mu2, s1, s2, rho) in ((narrow, (1, -2, 0.5, 2, 0.6)), (~narrow, (-4, 3, 1, 0.3, -0.8))):
        dx, dy = points[chosen, 0], points[chosen, 1]
        assert (dx.mean(), dy.mean()) == pytest.approx((mu1, mu2), abs=0.03)
        assert (dx.std(), dy.std()) == pytest.approx((s1, s2), rel=0.02)
        assert np.corrcoef(dx, dy)[0, 1] == pytest.approx(rho, abs=0.02)
    assert points[:, 5].mean() == pytest.approx(0.3, abs=0.005)


@pytest.mark.parametrize("bias, counted", [(0.5, 0.5), (1.0, 1.0), (3.0, 1.0)])
@pytest.mark.parametrize("begins, times", [(0.0, COMPONENT_BIAS), (1.0, STROKE_BIAS)])
def test_bias_narrows_deviations_and_up_to_one_favours_likely_components_most_where_a_stroke_begins(
    bias, counted, begins, times
):
    y = hand([(0.6, 0, 0, 0.5, 2.0, 0), (0.4, 0, 0, 1.0, 0.3, 0)])
    points = draw_many(y, 2, bias=bias, begins=begins)
    sigmas = np.array([0.5, 1.0]) / np.exp(bias)  # eq. 61
    assert np.unique(points[:, 2]) == pytest.approx(sigmas, rel=1e-5)
    share = favoured(0.6, 0.4, by=times * counted)[0]
    assert (points[:, 2] < sigmas.mean()).mean() == pytest.approx(share, abs=0.005)


def test_a_bias_is_asked_for_on_a_scale_that_is_fine_where_writing_is_natural():
    asked = np.array([0.0, 0.5, 1.0, 2.0, 3.0])
    assert paper_bias(asked) == pytest.approx([0, 0.0743, 0.25, 0.841, 1.710], abs=1e-3)
    assert asked_bias(paper_bias(asked)) == pytest.approx(asked, rel=1e-5)
    assert asked_bias(0.15) == pytest.approx(0.747, abs=0.001)


def test_a_line_is_written_with_the_bias_of_the_equations_for_the_one_that_is_asked_for():
    model = HandwritingModel(types.SimpleNamespace(rnn_size=4, nmixtures=1, alphabet=ALPHABET))
    learned, biased = (sample("abc", model, bias=bias, seed=3, tsteps=2)[0] for bias in (0.0, 2.0))
    assert biased[0, 2:4] * np.exp(0.8409) == pytest.approx(learned[0, 2:4], rel=1e-3)  # sigma of the first point


@pytest.mark.parametrize("eos", [0.2, 0.8])
def test_a_bias_above_one_makes_pen_lifts_surer_but_at_the_end_of_the_text(eos):
    y = hand([(1.0, 0, 0, 1, 1, 0)], eos=eos)
    for bias, inside, by in ((0, 1.0, 0), (1, 1.0, 0), (2, 1.0, 1), (3, 1.0, 2), (3, 0.0, 0)):
        lifted = draw_many(y, 1, bias=bias, inside=inside)[:, 5].mean()
        assert lifted == pytest.approx(favoured(eos, 1 - eos, by=by)[0], abs=0.005)


@pytest.mark.parametrize("resting", [0.5, 0.2])  # the likeliest component, and not
def test_a_bias_chooses_among_components_that_move_and_makes_the_pen_rest_less(resting):
    moving = 1 - resting
    shares = resting, 0.6 * moving, 0.4 * moving
    y = hand([(shares[0], 0.01, 0, 0.02, 0.02, 0), (shares[1], 1, 0, 0.3, 0.3, 0), (shares[2], 0, 0, 0.4, 0.01, 0)])
    as_learned = draw_many(y, 3, resting=0.06)
    assert (as_learned[:, 2] < 0.1).mean() == pytest.approx(resting, abs=0.005)
    biased = draw_many(y, 3, bias=1.0, resting=0.06)
    rest, swift, slow = (np.isclose(biased[:, 2], s / np.e, rtol=1e-3).mean() for s in (0.02, 0.3, 0.4))
    assert rest == pytest.approx(resting * np.exp(-2) / (resting * np.exp(-2) + moving), abs=0.005)
    expected = favoured(0.6, 0.4, by=COMPONENT_BIAS)
    assert swift / slow == pytest.approx(expected[0] / expected[1], rel=0.03)


def test_a_component_is_drawn_even_where_rounding_ends_the_sum_below_one():
    y = hand([(1 / 3, j, 0, 0.1, 0.1, 0) for j in range(3)])
    noise = np.array([[0, 0, np.nextafter(np.float32(1), np.float32(0)), 0]], np.float32)
    assert draw_point(y, 3, np.zeros((1, 1), np.float32), noise)[0, 0] == pytest.approx(2)


def test_one_point_agrees_with_the_density_of_the_whole_network():
    y = hand([(1.0, 1.0, -2.0, 0.5, 2.0, 0.6)])
    density = split_head(y, 1, 0.7)
    drawn = draw_point(y, 1, np.full((1, 1), 0.7, np.float32), np.zeros((1, 4), np.float32))[0]
    for column, name in enumerate(("mu1", "mu2", "sigma1", "sigma2", "rho")):
        assert drawn[column] == pytest.approx(float(density[name][0, 0]), rel=1e-6)


@pytest.mark.smoke
def test_sample_returns_strokes_phis_and_kappas_of_the_documented_shapes(model):
    strokes, phis, kappas = sample("abc de.", model, types.SimpleNamespace(bias=0.5, tsteps=40), seed=3)
    n = len(strokes)
    assert 0 < n <= 40
    assert strokes.shape == (n, 6) and phis.shape == (n, 7) and kappas.shape == (n, 2)
    assert (strokes[0, :2] == 0).all() and np.isin(strokes[:, 5], (0, 1)).all()
    assert (strokes[:, 2:4] > 0).all() and (np.abs(strokes[:, 4]) < 1).all()
    assert (np.diff(kappas, axis=0) >= 0).all()


def test_lines_that_wait_for_a_row_are_the_same_as_when_all_begin_at_once(model, monkeypatch):
    texts = ["a", "bc de", "abc", "de. abc", "ba", "cab de", "e", "d d"]
    rows, find_ends = [], sampler.find_ends

    def count_rows(text, state, drawn):
        rows.append(len(state.x))
        return find_ends(text, state, drawn)

    monkeypatch.setattr(sampler, "find_ends", count_rows)
    at_once = sample_batch(texts, model, bias=0.5, seed=4)
    assert max(rows) == len(texts)
    rows.clear()
    monkeypatch.setattr(sampler, "ROWS", 3)
    waiting = sample_batch(texts, model, bias=0.5, seed=4)
    assert max(rows) == 3
    for line, same in zip(at_once, waiting, strict=True):
        assert line.text == same.text and line.finished == same.finished
        for name in ("strokes", "phis", "kappas"):
            np.testing.assert_allclose(getattr(line, name), getattr(same, name), rtol=1e-3, atol=1e-3)


def test_the_same_call_gives_the_same_lines_bit_for_bit_however_long_each_thread_takes(model, monkeypatch):
    texts = ["abcde"[: 1 + i % 5] * (1 + i % 3) for i in range(40)]  # two threads
    first = sample_batch(texts, model, seed=2)
    noise = line_writer.line_noise
    monkeypatch.setattr(line_writer, "line_noise", lambda seed, n: time.sleep(0.001 * (seed[1] % 3)) or noise(seed, n))
    for line, same in zip(first, sample_batch(texts, model, seed=2), strict=True):
        np.testing.assert_array_equal(line.strokes, same.strokes)


@pytest.mark.smoke
def test_same_seed_same_line_and_other_seed_other_line(model):
    first, again, other = (sample("abc de", model, seed=seed)[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_candidates_are_different_lines_of_which_the_first_is_that_without_n(model):
    candidates = sample("abcde", model, seed=5, tsteps=20, n=3)
    one = sample("abcde", model, seed=5, tsteps=20)
    assert len(candidates) == 3 and len({strokes.tobytes() for strokes, _, _ in candidates}) == 3
    for part, same in zip(candidates[0], one, strict=True):
        np.testing.assert_allclose(part, same, atol=1e-3)
    with pytest.raises(ValueError, match="n is 0"):
        sample("abcde", model, n=0)


def test_a_hand_is_named_as_on_the_command_line(model):
    with pytest.raises(HandError, match="hand 99999.*0 to 111"):
        sample("ab", model, hand=99999)
    with pytest.raises(HandError, match="this network knows of no hands"):
        sample("ab", model, hand="3:0.7,41:0.3")
    with pytest.raises(ValueError, match="hand=7"):
        sample("ab", model, style=7)


def test_characters_that_are_left_out_or_replaced_are_warned_of(model):
    with pytest.warns(UserWarning, match="left out, the model has not learned them: '🦄'"):
        sample("ab 🦄", model, seed=1, tries=1, tsteps=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sample("ab", model, seed=1, tries=1, tsteps=20)


def test_without_a_seed_every_line_is_another(model):
    assert not np.array_equal(sample("abcde", model, tsteps=5)[0], sample("abcde", model, tsteps=5)[0])


def test_a_line_does_not_depend_on_the_lines_beside_it(model):
    texts = ["abc", "a b c d e", "dead.", "cab"]
    together = sample_batch(texts, model, seed=[1, 2, 3, 4])
    for text, seed, line in zip(texts, (1, 2, 3, 4), together, strict=True):
        alone = sample_batch([text], model, seed=[seed])[0]
        assert alone.finished == line.finished and alone.text == line.text
        np.testing.assert_allclose(alone.strokes, line.strokes, atol=1e-3)
        np.testing.assert_allclose(alone.phis, line.phis, atol=1e-4)


def test_many_lines_come_back_in_their_order(model):
    texts = ["abcde"[: 1 + i % 5] * (1 + i % 3) for i in range(70)]  # more than one group
    lines = sample_batch(texts, model, tsteps=6)
    assert [line.text for line in lines] == texts
    assert [line.phis.shape[1] for line in lines] == [len(text) for text in texts]


def test_writing_stops_at_a_pen_lift_after_the_attention_has_passed_the_text(model):
    for line in sample_batch(["abc", "de dead", "a"] * 4, model, seed=1):
        assert line.finished
        assert line.strokes[-1, 5] == 1
        # Had it passed the text at an earlier pen lift, the line would have ended there.
        passed = line.kappas.min(axis=1) > len(line.text)
        assert not (passed & (line.strokes[:, 5] == 1))[:-1].any()


def test_the_limit_ends_a_line_that_does_not_finish(model):
    line = sample_batch(["abcde abcde"], model, tsteps=7)[0]
    assert not line.finished and len(line.strokes) == 7


def test_the_sampler_sees_what_the_whole_network_sees(model):
    """The line fed back into the network as data gives the attention that the sampler saw."""
    rng = np.random.default_rng(0)
    style = (np.concatenate([rng.normal(0, 1, (5, 2)), np.zeros((5, 1))], axis=1).astype(np.float32), "dead")
    line = sample_batch(["abc"], model, style=style, seed=2, tsteps=1)[0]
    out = model({"stroke_data": style[0][None], "char_seq": to_one_hot("dead abc", None, ALPHABET)[None]})
    np.testing.assert_allclose(out["phi"][0, -1, 5:], line.phis[0], atol=1e-5)
    np.testing.assert_allclose(out["kappas"][0, -1] - 5, line.kappas[0], atol=1e-5)


def test_initial_states_are_gone_on_from(model):
    strokes = np.random.default_rng(0).normal(0, 1, (1, 6, 3)).astype(np.float32)
    one_hot = to_one_hot("dead abc", None, ALPHABET)[None]
    states = model({"stroke_data": strokes, "char_seq": one_hot})
    # The loop's first input is a zero point, so the network fed with one more of them sees the same.
    out = model({"stroke_data": np.pad(strokes, [(0, 0), (0, 1), (0, 0)]), "char_seq": one_hot})
    _, phis, kappas = sample("dead abc", model, initial_states=states, seed=1, tsteps=1)
    np.testing.assert_allclose(kappas[0], out["kappas"][0, -1], atol=1e-5)
    np.testing.assert_allclose(phis[0], out["phi"][0, -1], atol=1e-5)
    with pytest.raises(ValueError, match="exclude each other"):
        sample("abc", model, initial_states=states, style=(strokes[0], "dead"))


@pytest.mark.parametrize("first_pen", [0, 1])
def test_a_line_starts_with_the_pen_lift_that_its_config_says(model, first_pen):
    config = dataclasses.replace(model.config, first_pen=first_pen)
    started = HandwritingModel(config)
    started.set_weights(model.get_weights())
    out = started(
        {
            "stroke_data": np.array([[[0, 0, first_pen]]], np.float32),
            "char_seq": to_one_hot("abc", None, ALPHABET)[None],
        }
    )
    strokes, phis, _ = sample("abc", started, bias=0.0, seed=1, tsteps=1)
    np.testing.assert_allclose(phis[0], out["phi"][0, 0, :3], atol=1e-6)
    assert np.isclose(strokes[0, 2], out["sigma1"][0, 0], rtol=1e-5).any()


@pytest.fixture(scope="module")
def shipped():
    return load_model("saved/checkpoint")


@pytest.mark.parametrize("number", range(12))
def test_a_text_is_worth_much_where_it_is_what_is_written_and_nothing_elsewhere(shipped, number):
    strokes, text = load_style(number, "data", 50.0)
    # Styles may share a text; none of them says this one.
    assert text_gain((strokes, text), shipped) > 2 * MIN_TEXT_GAIN
    assert text_gain((strokes, "nobody here has written these words"), shipped) < MIN_TEXT_GAIN


def test_white_space_at_the_ends_is_not_written(model):
    bare, spaced = sample_batch(["abc", " abc  "], model, seed=[1, 1], tsteps=20)
    assert spaced.text == "abc"
    np.testing.assert_allclose(bare.strokes, spaced.strokes, atol=1e-5)  # rows of a product round differently


def test_each_line_has_its_own_bias(model):
    low, high = sample_batch(["abc", "abc"], model, bias=[0.0, 5.0], seed=[1, 1], tsteps=10)
    assert high.strokes[0, 2] < low.strokes[0, 2]


def test_a_style_is_continued_and_not_returned(model):
    rng = np.random.default_rng(0)
    style = (np.concatenate([rng.normal(0, 1, (20, 2)), np.zeros((20, 1))], axis=1), "dead")
    line = sample_batch(["abc"], model, style=style, seed=1, tsteps=15)[0]
    plain = sample_batch(["abc"], model, seed=1, tsteps=15)[0]
    assert line.text == "abc" and line.phis.shape[1] == 3 and (line.strokes[0, :2] == 0).all()
    assert line.strokes.shape != plain.strokes.shape or not np.allclose(line.strokes, plain.strokes)
    # The window starts where the priming left it: the positions are counted from the first character of the text.
    out = model({"stroke_data": style[0][None, :-1], "char_seq": to_one_hot("dead abc", None, ALPHABET)[None]})
    assert (line.kappas[0] > out["kappa"].numpy()[0, :, 0] - 5).all()


def primed(texts, model, style):
    """What each of the texts begins with: three h, three c, kappa and window."""
    writer = line_writer.LineWriter(texts, model, np.ones(len(texts)), [None] * len(texts), style=style)
    writer._start = used, _ = writer._common_start()
    return used, writer.states_of(range(len(texts)))


STYLE_OF_MANY_LETTERS = (
    np.random.default_rng(0).normal(0, 1, (20, 3)).astype(np.float32) * [1, 1, 0],
    "dead " * 8,
)


def test_priming_lines_together_while_their_texts_have_no_weight_gives_each_the_state_of_its_own_text(model):
    strokes, text = STYLE_OF_MANY_LETTERS
    used, states = primed(["abc", "eeee"], model, (strokes, text))
    assert used == 19  # the window has read a few characters of the forty
    for state, own in zip(states, ("abc", "eeee"), strict=True):
        one_hot = to_one_hot(text.strip() + " " + own, None, ALPHABET)[None]
        out = model({"stroke_data": strokes[None, :-1], "char_seq": one_hot})
        hs, cs = zip(*out["states"])
        expected = *hs, *cs, out["window"], out["kappa"][:, :, 0]
        for found, value in zip(state, expected, strict=True):
            np.testing.assert_allclose(found, value[0], atol=1e-5)


def test_a_text_that_the_attention_sees_early_is_primed_on_its_own(model):
    strokes, _ = STYLE_OF_MANY_LETTERS
    used, states = primed(["abc", "eeee"], model, (strokes, "d"))  # the window has passed it after a few points
    assert used < 3 and not np.allclose(states[0].c0, states[1].c0)


@pytest.mark.smoke
@pytest.mark.parametrize("texts", [[""], ["   "], ["漢字"], ["abc", "漢"]])
def test_text_that_cannot_be_written_is_refused(model, texts):
    with pytest.raises(ValueError, match="has no character that this model can write"):
        sample_batch(texts, model)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"bias": -1.0}, "bias is -1.0"),
        ({"bias": float("nan")}, "bias is nan"),
        ({"tsteps": 0}, "tsteps is 0"),
        ({"tsteps": 10**9}, "tsteps is 1000000000: it has to be from 1 to 100000"),
        ({"seed": [1, 2, 3]}, "1 texts but 3 seeds"),
        ({"style": (np.zeros((4, 2)), "abc")}, r"\(4, 2\)"),
        ({"style": (np.zeros((4, 3)), "  ")}, "''"),
        ({"style": (np.zeros((4, 3)), "a\ud800b")}, "half of a character"),
        ({"style": ([[0, 0, 0], [1, np.nan, 1]], "abc")}, "finite offsets"),
        ({"style": ([[0, 0, 0], [1, 1e300, 1]], "abc")}, "finite offsets .* to inf"),
        ({"style": ([[0, 0, 0], [-10_001, 1, 1]], "abc")}, "of 10,000 at most .* from -10001 to 1"),
        ({"style": ([[0, 0, 0], [1, 1, 7]], "abc")}, "pen lifts of 0 or 1"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        sample_batch(["abc"], model, **arguments)


def test_a_line_without_an_end_is_refused(model):
    with pytest.raises(ValueError, match="text 1 has 1,001 characters: a line may have 1,000"):
        sample_batch(["a" * 1000, "a" * 1001], model)


@pytest.mark.parametrize("tries", [1, 2])
def test_half_of_a_character_is_refused_and_not_left_out(model, tries):
    with pytest.raises(ValueError, match="half of a character"):
        sample("ab\ud83d c", model, tries=tries)


def test_no_lines_are_no_lines(model):
    assert sample_batch([], model) == []


def test_styles_of_integers_are_raw_and_of_floats_are_scaled(tmp_path):
    raw = np.array([[0, 0, 0], [100, -50, 1]], np.int16)
    save_strokes(str(tmp_path / "styles.p"), [raw, raw / [50.0, 50.0, 1.0]], ["abc\r", "abc"])
    for number in (0, 1):
        strokes, text = load_style(number, str(tmp_path), 50.0)
        np.testing.assert_allclose(strokes, [[0, 0, 0], [2, -1, 1]])
        assert text == "abc"
    with pytest.raises(ValueError, match="styles 0 to 1"):
        load_style(2, str(tmp_path), 50.0)
    with pytest.raises(ValueError, match="does not exist"):
        load_style(0, str(tmp_path / "missing"), 50.0)


@pytest.mark.smoke
def test_flags_of_the_earlier_scribes_are_taken():
    args = parse_args(["--text", "", "--style", "-1", "--tsteps_per_ascii", "25", "--eos_threshold", "0.35"])
    assert (args.text, args.style, args.eos_threshold) == (None, None, 0.35)
    for flags in (["--eos_threshold", "1.5"], ["--text", " "]):
        with pytest.raises(SystemExit) as exit:
            parse_args(flags)
        assert exit.value.code == 2


def test_an_alphabet_contradicts_a_checkpoint_only_by_what_that_lacks():
    config = types.SimpleNamespace(rnn_size=12, nmixtures=3, kmixtures=2, alphabet=ALPHABET)
    for alphabet in (ALPHABET, ALPHABET[::-1], "abc"):
        assert not contradictions(parse_args(["--alphabet", alphabet]), config)
    (sentence,) = contradictions(parse_args(["--alphabet", "aéb"]), config)
    assert "'é'" in sentence and "--alphabet" in sentence


@pytest.mark.parametrize(
    "flags",
    [
        ["--bias", "-1"],
        ["--bias", "nan"],
        ["--tsteps", "0"],
        ["--tsteps", "1000000000"],
        ["--seed", "-2"],
        ["--text", " "],
        ["--nonsense"],
        ["--hand", "7", "--unconditional"],
        ["--page", "a4", "--unconditional"],
        ["--format", "svg", "--unconditional"],
        ["--no_proofread", "--unconditional"],
    ],
)
def test_wrong_flags_end_with_exit_code_2(flags, capsys):
    with pytest.raises(SystemExit) as error:
        parse_args(flags)
    assert error.value.code == 2
    assert flags[0] in capsys.readouterr().err


# --------------------------------------------------------------------------------------------- lines that failed


FAILURE = Failure("skipped", 0, 1)


def failing(monkeypatch, is_whole):
    """Makes a line whole where is_whole(line) says so; counts what was written."""
    seen = []

    def find(line):
        seen.append(line)
        return [] if is_whole(line, len(seen)) else [FAILURE]

    monkeypatch.setattr(proofread, "find_failures", find)
    return seen


def test_only_lines_that_failed_are_written_again(model, monkeypatch):
    texts = ["abc", "bad", "cab"]
    seen = failing(monkeypatch, lambda line, count: line.text != "bad" or count > 4)
    lines, failures, written = sample_checked(texts, model, seed=3, tsteps=20)
    assert sorted(line.text for line in seen[:3]) == sorted(texts) and [line.text for line in seen[3:]] == ["bad"] * 2
    assert written == [1, 3, 1] and failures == [[], [], []]
    first = sample_batch(texts, model, seed=3, tsteps=20)
    for k in (0, 2):
        np.testing.assert_allclose(lines[k].strokes, first[k].strokes, atol=1e-3)  # rows of a product round differently
    assert not np.array_equal(lines[1].strokes, first[1].strokes)


def test_tries_are_other_lines_and_repeatable(model, monkeypatch):
    seen = failing(monkeypatch, lambda line, count: False)
    lines, failures, written = sample_checked(["abcde"], model, seed=3, attempts=3, tsteps=20)
    assert written == [3] and failures == [[FAILURE]]
    assert np.array_equal(lines[0].strokes, seen[0].strokes)  # none was better than the first
    assert len({line.strokes.tobytes() for line in seen}) == 3
    sample_checked(["abcde"], model, seed=3, attempts=3, tsteps=20)
    assert [line.strokes.tobytes() for line in seen[:3]] == [line.strokes.tobytes() for line in seen[3:]]


def test_a_line_is_gone_on_from_its_faulty_word_and_what_comes_before_stays(model, monkeypatch):
    seen = []

    def find(line):
        seen.append(line)
        return [Failure("skipped", 4, 5)] if len(seen) < 3 else []

    monkeypatch.setattr(proofread, "find_failures", find)
    lines, failures, written = sample_checked(["abc dea bc"], model, seed=3)
    assert written == [3] and failures == [[]] and lines[0] is seen[2]
    (first,) = sample_batch(["abc dea bc"], model, seed=3)
    assert np.array_equal(seen[0].strokes, first.strokes)
    for other in seen[1:]:
        shared = np.flatnonzero(
            (other.strokes[: len(first.strokes)] != first.strokes[: len(other.strokes)]).any(axis=1)
        )
        begins = shared[0]  # the first point that differs
        assert first.strokes[begins - 1, 5] == 1 and begins > 1  # a pen lift
        assert 2 <= np.argmax(first.phis[begins - 1]) <= 4  # before the second word
    assert not np.array_equal(seen[1].strokes[-1], seen[2].strokes[-1])
    again = sample_checked(["abc dea bc"], model, seed=3)
    assert written == [3] and again.attempts == [1]  # the third try was good; nothing is wrong any more


def test_a_word_that_never_passes_is_left_and_later_ones_are_still_written_again(model, monkeypatch):
    places = []

    def find(line):
        places.append(line)
        return [Failure("skipped", 0, 1)] + ([Failure("skipped", 4, 5)] if len(places) < 4 else [])

    monkeypatch.setattr(proofread, "find_failures", find)
    _, failures, written = sample_checked(["abc dea"], model, seed=3, attempts=3)
    # The first try, two more of the first word, one of the second, which is better.
    assert written == [4] and failures == [[Failure("skipped", 0, 1)]]


@pytest.mark.parametrize("style", [None, (np.zeros((8, 3)), "dead")])
def test_lines_with_rewinds_repeat_bit_for_bit(model, monkeypatch, style):
    texts = ["abc dea bc", "de abc", "a b c d"]

    def checked():
        counts = Counter()

        def find(line):
            counts[line.text] += 1
            return [Failure("skipped", 4, 5)] if counts[line.text] < 3 else []

        monkeypatch.setattr(proofread, "find_failures", find)
        return sample_checked(texts, model, seed=3, style=style)

    first, second = checked(), checked()
    assert first.attempts == second.attempts == [3, 3, 3]
    for line, same in zip(first.lines, second.lines, strict=True):
        assert np.array_equal(line.strokes, same.strokes)


def slipping(monkeypatch, slips):
    """Finds slips where slips(line, count) says so; returns the lines that were looked at."""
    seen = []

    def find(lines, recogniser):
        seen.extend(lines)
        return [slips(line, len(seen)) for line in lines]

    monkeypatch.setattr(proofread, "find_slips", find)
    return seen


def slip(start, weight, warned=True):
    return Slip(Failure("misread", start, start + 1), weight, warned)


def test_lines_with_slips_are_written_again_and_the_one_with_the_least_is_kept(model, monkeypatch):
    failing(monkeypatch, lambda line, count: True)
    weights = iter([0.9, 0.4, 0.6])
    seen = slipping(monkeypatch, lambda line, count: [slip(2, next(weights))] if "bcd" in line.text else [])
    lines, failures, written = sample_checked(
        ["abcdabcd", "deadbeee"], model, seed=3, attempts=3, tsteps=20, recogniser=object()
    )
    assert written == [3, 1] and not failures[1]
    assert lines[0] is [line for line in seen if line.text == "abcdabcd"][1]
    assert failures[0][0].describe("abcdabcd") == 'the "c" of "abcdabcd" may be hard to read'


def test_tries_that_are_written_ahead_change_nothing_of_what_is_kept(model, monkeypatch):
    texts, tries, rows = ["abcd abcd abcd", "dcba dcba", "abc", "dd cc"], [], []
    find_ends = sampler.find_ends

    def counted(text, state, drawn):
        rows.append(len(state.x))
        return find_ends(text, state, drawn)

    def faults(line):
        """Faults that depend on the ink: of some tries none, of some the same word again, of some a later one."""
        seen = int(abs(line.strokes[-1, 0]) * 100) % 4
        return [] if seen == 0 else [Failure("skipped", k, k + 1) for k in (0, len(line.text) - 1)[:seen]]

    monkeypatch.setattr(proofread, "find_failures", faults)
    monkeypatch.setattr(sampler, "find_ends", counted)
    for ahead in (0, 8):
        monkeypatch.setattr(line_writer, "ROWS_AHEAD", ahead)
        rows.clear()
        checked = sample_checked(texts, model, bias=asked_bias(0.5), seed=3, attempts=4, tsteps=60)
        tries.append((checked, len(rows)))
    (plain, steps), (ahead, fewer) = tries
    assert ahead.attempts == plain.attempts and ahead.failures == plain.failures and max(plain.attempts) > 2
    for line, same in zip(ahead.lines, plain.lines, strict=True):
        np.testing.assert_allclose(line.strokes, same.strokes, rtol=1e-3, atol=1e-3)
    assert fewer < 0.8 * steps


def test_a_line_that_the_attention_finds_whole_goes_before_one_that_is_better_to_read(model, monkeypatch):
    seen = failing(monkeypatch, lambda line, count: count == 1)
    slipping(monkeypatch, lambda line, count: [slip(2, 1 - 0.3 * count)])
    lines, _, written = sample_checked(["abcdabcd"], model, seed=3, attempts=3, tsteps=20, recogniser=object())
    assert written == [3] and np.array_equal(lines[0].strokes, seen[0].strokes)


def test_a_slip_that_is_small_is_written_again_and_not_told(model, monkeypatch):
    failing(monkeypatch, lambda line, count: True)
    slipping(monkeypatch, lambda line, count: [slip(2, 0.3, warned=False)])
    _, failures, written = sample_checked(["abcd"], model, seed=3, attempts=3, tsteps=20, recogniser=object())
    assert written == [3] and failures == [[]]


def test_a_word_that_came_out_well_is_gone_on_from_though_later_words_are_worse(model, monkeypatch):
    failing(monkeypatch, lambda line, count: True)
    # The first word fails once; with the second try the last two words are worse than with the first, and then good.
    found = [[slip(0, 0.5)], [slip(4, 0.9), slip(8, 0.9)], [slip(8, 0.5)], []]
    seen = slipping(monkeypatch, lambda line, count: found[min(count, 4) - 1])
    lines, failures, written = sample_checked(["abc dea bc."], model, seed=3, attempts=3, recogniser=object())
    assert written == [4] and failures == [[]] and lines[0] is seen[3]
    first, second = seen[1].strokes, seen[3].strokes
    n = min(len(first), len(second))
    begins = int(np.flatnonzero((first[:n] != second[:n]).any(axis=1))[0])
    assert np.argmax(seen[1].phis[begins - 1]) >= 2  # the first word of the second try stayed


def test_without_a_recogniser_nobody_looks_for_slips(model, monkeypatch):
    failing(monkeypatch, lambda line, count: True)
    seen = slipping(monkeypatch, lambda line, count: [slip(0, 1.0)])
    assert sample_checked(["abcd"], model, seed=3, tsteps=20).attempts == [1] and not seen


def test_every_kind_of_seed_means_the_same_for_one_try_and_for_several(model):
    for seed in (5, [5], (5,), np.array([5]), [(5, 0)]):
        once, several = (sample("abcde", model, seed=seed, tsteps=20, tries=tries)[0] for tries in (1, 2))
        checked = sample_checked(["abcde"], model, seed=seed, tsteps=20, attempts=1)[0][0].strokes
        assert np.array_equal(once, checked) and several.shape[1] == 6


def test_tries_have_to_be_one_or_more(model):
    with pytest.raises(ValueError, match="attempts"):
        sample_checked(["abc"], model, attempts=0)


# --------------------------------------------------------------------------------------------- where a line ends


class ScriptedModel:
    """Stands for a model: its network plays a script."""

    rnn_size, nmixtures, kmixtures, hand_size = 1, 1, 1, 0

    def __init__(self, script):
        self.config = types.SimpleNamespace(alphabet=ALPHABET, data_scale=50.0, first_pen=0, hand_size=0)
        self.script = np.array([(*row, 0)[:3] for row in script], np.float32)

    def lstm_biases(self, hand):
        return ()


class ScriptedNetwork:
    """At point t, how far the pen moves, whether it lifts, where the window is."""

    compiled = None

    def __init__(self, model):
        self.script = model.script

    def begin(self, rows):
        return NetworkState(*[np.zeros([rows, 0], np.float32)] * 7, np.zeros([rows, 1], np.float32))

    def biases(self, lstm_biases):
        return LstmBiases(*[np.zeros([1, 0], np.float32)] * 3)

    def step(self, state, points, text, mask, biases):
        dx, lift, position = self.script[np.minimum(state.kappa[:, 0].astype(int), len(self.script) - 1)].T
        state.kappa[:] += 1
        zero = np.zeros_like(dx)
        y = np.stack([lift * 80 - 40, zero, dx, zero, zero - 9, zero - 9, zero], axis=-1)
        return y, np.exp(-4 * (np.arange(mask.shape[1], dtype=np.float32) - position[:, None]) ** 2) * mask


@pytest.fixture
def scripted(monkeypatch):
    """Makes a model that plays a script."""
    monkeypatch.setattr(line_writer, "network_of", ScriptedNetwork)
    return ScriptedModel


DOWN, UP = 0, 1


def test_a_word_begins_at_the_last_pen_lift_before_its_ink(scripted):
    script = [(1, DOWN, 0), (1, UP, 0.6), (1, DOWN, 1), (1, UP, 1.7), (-1, UP, 2.1), (1, DOWN, 3), (1, UP, 3.3)]
    script += [(1, UP, 4.7), (1, UP, 5), (1, DOWN, 6)]
    written = []

    def judge(lines):
        written.extend(as_written for _, _, as_written in lines)
        return []

    model = scripted(script)
    LineWriter = line_writer.LineWriter
    LineWriter(["ab cd e"], model, np.full(1, 5.0), [None], tsteps=12, rewinds=True).write([(1,)], judge)
    marks = written[0].marks
    assert {word: int(mark.points) for word, mark in marks.items()} == {3: 5, 6: 9}


def test_a_line_is_not_gone_on_from_where_its_limit_has_ended_it(scripted, monkeypatch):
    script = [(1, DOWN, 0), (1, UP, 1), (1, DOWN, 1), (1, UP, 2.5), (1, DOWN, 3)]
    monkeypatch.setattr(proofread, "find_failures", lambda line: [Failure("unfinished", 3, 4)])
    (line,), _, (attempts,) = sample_checked(["ab cd"], scripted(script), bias=5, tsteps=4, attempts=3)
    assert len(line.strokes) == 4 and attempts == 3


@pytest.mark.parametrize(
    "script, expected",
    [
        pytest.param([(1, DOWN, 0), (1, UP, 1), (1, DOWN, 1), (1, UP, 1.7), (1, DOWN, 1.7)], 4, id="surely passed"),
        pytest.param([(1, DOWN, 1), (1, UP, 1.3), (1, DOWN, 1.3), (1, UP, 1.3)], 2, id="passed, then to the right"),
        pytest.param(
            [(1, DOWN, 1), (1, UP, 1.3), (-2, DOWN, 1.3), (0.5, UP, 1.3), (5, DOWN, 1.3)],
            4,
            id="a late dot to the left",
        ),
        pytest.param([(1, DOWN, 1), (1, UP, 0.9), (1, DOWN, 1), (1, UP, 1.3), (1, UP, 1)], 4, id="not passed yet"),
        pytest.param([(1, DOWN, 2)] * 7 + [(1, UP, 2)], 8, id="the pen is down"),
    ],
)
def test_a_line_ends_after_the_last_stroke_of_its_last_character(scripted, script, expected):
    line = sample_batch(["aa"], scripted(script), bias=5, tsteps=12)[0]
    assert line.finished and len(line.strokes) == expected


def test_a_dotted_character_gets_its_dot_though_it_stands_to_the_right_and_no_other_gets_more(scripted):
    script = [(1, DOWN, 1), (1, UP, 1.3), (1, DOWN, 1.3), (1, UP, 1.8), (1, DOWN, 1.8)]
    model = scripted(script)
    model.config.alphabet = " aix"
    lengths = [len(sample_batch([text], model, bias=5, tsteps=12)[0].strokes) for text in ("aa", "ai", "ax")]
    assert lengths == [2, 4, 2]


def test_what_a_primed_line_still_writes_of_its_style_is_cut_off():
    points = np.zeros((6, 6))
    points[[1, 3], 5] = 1  # strokes of 2, 2 and 2 points
    phis = np.zeros((6, 4))
    phis[[0, 1, 2, 3, 4, 5], [1, 1, 2, 2, 2, 3]] = 1
    assert line_writer.own_start(points, phis, first=2) == 2
    assert line_writer.own_start(points, phis, first=1) == 0
    points[:, 5] = 0  # the pen never lifted: nothing can be cut
    assert line_writer.own_start(points, phis, first=2) == 0
