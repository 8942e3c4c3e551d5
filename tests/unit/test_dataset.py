"""Data sets without a network: texts, splits, boxes, pictures, files; the synthetic hand stands for the model."""

import csv
import io
import json
import types
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from scribe.console import UsageError
from scribe.dataset.folder import Folder, claim
from scribe.dataset.pictures import Look, draw_picture, png
from scribe.dataset.plan import Plan
from scribe.dataset.shards import finish_shard, run, write_lines
from scribe.dataset.splits import IAM_SHARES, SPLITS, assign_splits
from scribe.dataset.tables import csv_line
from scribe.dataset.texts import cut_texts, misread_as_csv, order_texts, read_texts
from scribe.ink.alphabet import ALPHABET
from scribe.ink.point_characters import assign_characters, assign_characters_of, character_boxes
from scribe.ink.x_height import x_height_of_characters
from scribe.writing.failures import Failure
from writing_helpers import write_text


def attention(index, count, sharp=0.9):
    """phis [n, U] of points that belong to the characters of `index`."""
    phis = np.full((len(index), count), (1 - sharp) / max(count - 1, 1))
    phis[np.arange(len(index)), index] = sharp
    return phis


def settings(**changes):
    values = {
        "count": 20, "seed": 3, "biases": [0.5, 1.5], "styles": [], "strokes": "none", "shares": list(IAM_SHARES),
        "look": {"height": 32, "padding": [1, 3]}, "alphabet": ALPHABET,
    }  # fmt: skip
    return values | changes


def write_by_hand(texts, biases, seeds, style):
    """Stands for the network: the synthetic hand, larger with the bias; texts with a Z fail."""
    lines = []
    for text, bias in zip(texts, biases):
        strokes, index = write_text(text, x_height=bias)
        phis = attention(index, len(text))
        lines.append(types.SimpleNamespace(text=text, strokes=strokes, phis=phis, finished=True))
    return lines, [[Failure("skipped", 0, 1)] if "Z" in text else [] for text in texts]


def make(folder, texts, write=write_by_hand, **changes):
    """A whole data set in this process; returns the content of dataset.json."""
    plan, folder = Plan(settings(**changes), texts), Folder(str(folder))

    def write_shards(shards):
        for shard in shards:
            lines = write_lines(plan, shard, write)
            parts = {"number": shard.number, "rows": plan.rows(shard), "look": plan.look}
            finish_shard(folder, lines, strokes_format=plan.strokes, **parts)

    assert not claim(folder, plan.settings)
    return run(plan, folder, write_shards)


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


TEXTS = ["it was the best", "of times", "a quick fox", 'he said "no"', "one, two", "Jon", "the end."]


# -------------------------------------------------------------------------------------------------------------- texts


@pytest.mark.smoke
def test_texts_are_cut_at_words_into_lines_of_equal_length_and_each_is_there_once():
    texts = cut_texts(["one two three four five six\n\none\r\n one \n"], ALPHABET, 10)
    assert texts.lines == ["one two", "three four", "five six", "one"]


def test_what_the_alphabet_lacks_is_written_as_the_closest_and_told():
    texts = cut_texts(["Café ≤ “x” 🦄\n漢, 5\n🦄\n"], ALPHABET, 40)
    assert texts.lines == ["Café <= “x”"]
    assert texts.replaced == {"≤": "<="} and texts.dropped == ["🦄"] and texts.foreign == {"Chinese": 1}


def test_a_line_with_a_word_that_is_too_long_is_left_out_and_counted():
    texts = cut_texts(["a " + 41 * "b" + " c\nd"], ALPHABET, 40)
    assert texts.too_long == 1 and "d" in texts.lines and not any("bb" in text for text in texts.lines)


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="bad.txt is not a text in UTF-8"):
        read_texts([str(tmp_path / "bad.txt")])


def test_the_order_of_texts_is_that_of_the_seed():
    lines = [str(k) for k in range(50)]
    assert order_texts(lines, 1) == order_texts(lines, 1) != order_texts(lines, 2)
    assert sorted(order_texts(lines, 1)) == sorted(lines)


@pytest.mark.parametrize("shares", [IAM_SHARES, [8, 1, 1], [5, 3, 2], [1, 0, 1], [0.5, 0.25, 0.25]], ids=str)
def test_every_number_of_first_texts_is_split_in_the_shares_that_were_asked_for(shares):
    """To within less than one text. A rule that is one text late or early is off by more: 0.97 for these shares."""
    splits = assign_splits(1000, shares)
    for count in range(1, 1001):
        given = np.bincount(splits[:count], minlength=3)
        assert np.abs(given - np.array(shares) / sum(shares) * count).max() < 0.7


def test_the_split_of_the_first_texts_is_that_of_always():
    """A data set that is gone on with must not move a text from one split into another."""
    assert "".join(map(str, assign_splits(20, IAM_SHARES))) == "02001020020020102002"
    assert "".join(map(str, assign_splits(20, [5, 3, 2]))) == "01200102100120010210"
    assert IAM_SHARES == (6482, 976, 2915)  # of the database's own partition
    assert assign_splits(1, IAM_SHARES).dtype == np.int8 and len(assign_splits(0, IAM_SHARES)) == 0
    assert (assign_splits(100, [1, 0, 0]) == 0).all()
    assert set(assign_splits(5, IAM_SHARES)) == {0, 1, 2}


@pytest.mark.parametrize(
    ("texts", "misread"),
    [
        (["it is", "1984", "so"], False),
        (["it is", "NA"], True),
        (["null", "void"], True),
        (["007", "12", "3.5"], True),
        (["True", "False"], True),
        (["1,000", "inf"], True),
        (["none", "Nano"], False),
    ],
)
def test_texts_that_a_reader_of_csv_would_change_are_noticed(texts, misread):
    assert misread_as_csv(texts) == misread


@pytest.mark.parametrize("texts", [["it is", "1984", "-", "so, so"], ["x y", "a b"]])
def test_texts_that_pass_are_read_back_by_pandas_as_they_are(texts):
    pandas = pytest.importorskip("pandas")
    assert not misread_as_csv(texts)
    lines = b"".join(csv_line([text]) for text in ["text", *texts])
    assert pandas.read_csv(io.BytesIO(lines))["text"].tolist() == texts


# --------------------------------------------------------------------------------------------------------------- plan


def test_shards_cover_the_lines_and_take_the_styles_in_turn():
    plan = Plan(settings(count=200), TEXTS)
    assert [(s.number, s.first, s.count) for s in plan.shards(0, 0, 200)] == [
        (0, 0, 64), (1, 64, 64), (2, 128, 64), (3, 192, 8)
    ]  # fmt: skip
    few = Plan(settings(count=20, styles=[0, 3, 5]), TEXTS)
    assert [(s.count, s.style) for s in few.shards(0, 0, 20)] == [(7, 0), (7, 3), (6, 5)]
    even = Plan(settings(count=21, styles=[0, 3, 5]), TEXTS)
    assert [(s.count, s.style) for s in even.shards(4, 0, 21)] == [(7, 3), (7, 5), (7, 0)]


def test_a_line_depends_on_the_seed_and_its_shard_alone():
    plan = Plan(settings(), TEXTS)
    shard = plan.shards(0, 0, 20)[0]
    rows = plan.rows(shard)
    assert rows == plan.rows(shard) != Plan(settings(seed=4), TEXTS).rows(shard)
    assert len({row["seed"] for row in rows}) == 20 and all(0 <= row["seed"] < 2**53 for row in rows)
    assert all(0.5 <= row["bias"] <= 1.5 and round(row["bias"], 3) == row["bias"] for row in rows)
    assert [row["text"] for row in rows[:7]] == TEXTS == [row["text"] for row in rows[7:14]]


def test_the_seeds_and_biases_of_the_first_lines_are_those_of_always():
    """A data set that is gone on with must not get other numbers than the lines that are there already."""
    plan = Plan(settings(count=100, styles=[7]), TEXTS)
    rows = [row for shard in plan.shards(0, 0, 100) for row in plan.rows(shard)]
    assert [row["seed"] for row in rows[:2] + rows[64:66]] == [
        5579066524788741, 743467347502864, 7306721321647292, 6417172986297675
    ]  # fmt: skip
    for row in rows:
        bias = np.random.default_rng([row["seed"], 2]).uniform(0.5, 1.5)
        assert row["bias"] == round(bias, 3) and row["style"] == 7
    plan = Plan(settings(biases=[2, 2]), TEXTS)
    assert {(row["bias"], row["style"]) for row in plan.rows(plan.shards(0, 0, 20)[0])} == {(2.0, "none")}


def test_texts_are_kept_as_json_where_those_of_one_split_would_be_changed_by_csv():
    """A column of which half or more are numbers is taken for numbers; each split has a column of its own."""
    texts = ["a word"] * 9
    assert Plan(settings(count=9, shares=[4, 1, 4]), texts).metadata_extension() == "csv"
    texts[assign_splits(9, [4, 1, 4]).tolist().index(1)] = "12"  # alone in its split; beside any other, one among words
    assert Plan(settings(count=9, shares=[4, 1, 4]), texts).metadata_extension() == "jsonl"
    assert Plan(settings(count=9, shares=[1, 0, 0]), texts).metadata_extension() == "csv"
    assert Plan(settings(count=2, shares=[1, 0, 0]), ["12", "13"]).metadata_extension() == "jsonl"


def test_lines_of_different_shards_never_share_a_seed():
    plan = Plan(settings(count=400), TEXTS)
    shards = plan.shards(0, 0, 400)
    seeds = [row["seed"] for shard in shards for row in plan.rows(shard)]
    assert len(shards) == 7 and len(set(seeds)) == 400
    biases = [[row["bias"] for row in plan.rows(shard)] for shard in shards[:2]]
    assert biases[0] != biases[1]


def test_a_text_is_in_its_own_split_and_a_file_in_the_folder_of_it():
    plan = Plan(settings(count=200, shares=[1, 1, 1]), TEXTS)
    splits = [SPLITS[k] for k in assign_splits(len(TEXTS), [1, 1, 1])]
    rows = [row for shard in plan.shards(5, 9_950, 200) for row in plan.rows(shard)]
    assert [row["line"] for row in rows] == list(range(9_950, 10_150))
    for row in rows:
        k, split = row["line"], splits[row["line"] % len(TEXTS)]
        assert (row["text"], row["split"]) == (TEXTS[k % len(TEXTS)], split)
        assert row["file"] == f"{split}/{k // 10_000:04d}/{k:08d}.png"


# -------------------------------------------------------------------------------------------------------------- boxes


@pytest.mark.smoke
def test_every_character_gets_its_own_strokes():
    text = "a quick, fox's bed."
    strokes, index = write_text(text)
    assert np.array_equal(assign_characters(strokes, attention(index, len(text)), text), index)


def test_points_given_to_a_space_belong_to_the_stroke_that_they_are_in():
    text = "ab cd"
    strokes, index = write_text(text)
    muddled = index.copy()
    last_of_b = np.flatnonzero(index == 1)[-4:]
    first_of_c = np.flatnonzero(index == 3)[:4]
    muddled[last_of_b] = muddled[first_of_c] = 2
    assert np.array_equal(assign_characters(strokes, attention(muddled, len(text)), text), index)


def test_attention_that_is_early_at_a_pen_lift_is_mended():
    text = "at on"
    strokes, index = write_text(text)
    muddled = index.copy()
    muddled[np.flatnonzero(index == 0)[-2:]] = 1
    assert np.array_equal(assign_characters(strokes, attention(muddled, len(text), 0.6), text), index)


def test_lines_that_are_assigned_together_are_as_each_alone():
    rng, lines = np.random.default_rng(3), []
    for text in ("I", "a quick fox", "it's", "o", "the bar of a T!"):
        strokes, index = write_text(text)
        lines.append((strokes, rng.uniform(0.01, 1, (len(index), len(text))) * attention(index, len(text), 0.7), text))
    together = assign_characters_of(lines)
    assert [index.tolist() for index in together] == [assign_characters(*line).tolist() for line in lines]
    assert assign_characters_of([]) == []


def late(text, of, after):
    """A line whose last stroke of character `of` is written after character `after`; strokes, index."""
    strokes, index = write_text(text)
    ends = np.flatnonzero(strokes[:, 5] > 0.5) + 1
    starts = np.concatenate([[0], ends[:-1]])
    pieces = [np.arange(a, b) for a, b in zip(starts, ends)]
    moved = max((p for p in pieces if index[p[0]] == of), key=lambda p: p[0])
    before = [p for p in pieces if p is not moved and index[p[0]] <= after]
    behind = [p for p in pieces if p is not moved and index[p[0]] > after]
    order = np.concatenate([*before, moved, *behind])
    return strokes[order], index[order], np.isin(order, moved)


def test_a_dot_that_comes_late_belongs_to_the_i_below_it():
    text = "his net"
    strokes, index, moved = late(text, of=1, after=2)
    seen = index.copy()
    seen[moved] = 2  # the attention has gone on
    assert np.array_equal(assign_characters(strokes, attention(seen, len(text)), text), index)


def test_a_crossing_that_comes_late_belongs_to_the_t_that_it_crosses():
    text = "not me"
    strokes, index = write_text(text)
    x = strokes[index == 2, 0].mean()
    bar = np.zeros((6, 6), np.float32)
    bar[:, 0], bar[:, 1], bar[-1, 5] = np.linspace(x - 0.7, x + 0.9, 6), -2.0, 1
    at = np.flatnonzero(index == 4)[-1] + 1  # after the m of the next word
    strokes, seen = np.insert(strokes, at, bar, axis=0), np.insert(index, at, 6 * [4])
    expected = np.insert(index, at, 6 * [2])
    assert np.array_equal(assign_characters(strokes, attention(seen, len(text)), text), expected)


def test_lines_that_do_not_belong_together_are_refused():
    strokes, index = write_text("ab")
    with pytest.raises(ValueError, match="phis of 'ab' should be"):
        assign_characters(strokes, attention(index, 3), "ab")
    with pytest.raises(ValueError, match="not a finite number"):
        assign_characters(strokes, attention(index, 2) * np.nan, "ab")
    with pytest.raises(ValueError, match="no ink"):
        assign_characters(strokes, attention(index, 2), "  ")


def test_a_character_without_points_has_no_box_and_the_others_have_all_of_theirs():
    points = np.array([[0, 0], [2, 1], [5, 5.0]])
    boxes = character_boxes(points, np.array([0, 0, 2]), 3)
    assert boxes[0].tolist() == [0, 0, 2, 1] and np.isnan(boxes[1]).all() and boxes[2].tolist() == [5, 5, 5, 5]


@pytest.mark.parametrize(("text", "height"), [("name", 1.0), ("HAT", 1.05), ("...", None)])
def test_height_of_a_small_letter_is_that_of_small_letters_or_half_of_tall_ones(text, height):
    strokes, index = write_text(text, x_height=1.5)
    measured = x_height_of_characters(strokes, index, text)
    assert measured == pytest.approx(1.5 * height, rel=0.05) if height else measured > 0


# ----------------------------------------------------------------------------------------------------------- pictures


def draw(text="it is a fox", seed=1, **changes):
    strokes, index = write_text(text, x_height=1.3)
    return draw_picture(
        strokes, index, text, Look(**{"texture": 0, "ink": (0, 0), "paper": (255, 255)} | changes), seed
    )


@pytest.mark.parametrize("changes", [{}, {"rotation": 8.0, "skew": 20.0}, {"height": 120, "pen": (0.3, 0.3)}])
def test_boxes_hold_the_ink_of_their_characters_and_all_ink_is_in_a_box(changes):
    text = "it is a fox, Jon"
    picture = draw(text, **changes)
    ink = picture.image < 200
    strokes, index = write_text(text, x_height=1.3)
    covered = np.zeros_like(ink)
    for u, (c, box) in enumerate(zip(text, picture.boxes)):
        x, y, width, height = box
        if c == " ":
            continue
        assert ink[y : y + height, x : x + width].any()
        own = picture.points[index == u]
        assert (own[:, :2] >= [x, y]).all() and (own[:, :2] <= [x + width, y + height]).all()
        covered[y : y + height, x : x + width] = True
    assert not (ink & ~covered).any()


def test_a_space_has_the_place_between_its_neighbours():
    picture = draw("ab cd")
    left, space, right = picture.boxes[1:4]
    assert abs(space[0] - (left[0] + left[2])) <= 1 and abs(space[0] + space[2] - right[0]) <= 1


def test_a_picture_is_as_high_as_asked_for_and_has_its_margins():
    picture = draw(height=80, padding=(5, 5))
    rows, columns = np.nonzero(picture.image < 250)
    assert picture.image.shape[0] == 80
    assert columns.min() >= 4 and picture.image.shape[1] - columns.max() - 1 >= 4
    assert rows.min() >= 4 and 80 - rows.max() - 1 >= 4 and columns.min() <= 8


def test_a_line_without_tall_letters_is_not_blown_up():
    assert np.ptp(np.nonzero(draw("nano").image < 200)[0]) < 0.6 * 64


def test_ink_is_as_wide_as_the_pen_and_smooth():
    strokes = np.zeros((11, 6), np.float32)
    strokes[:, 0], strokes[:, 1], strokes[-1, 5] = np.linspace(0, 8, 11), np.linspace(0, 1, 11), 1
    picture = draw_picture(strokes, np.zeros(11, int), "a", Look(64, (4, 4), (0.2, 0.2), (0, 0), (255, 255), 0), 1)
    image = 255.0 - picture.image
    middle = image[:, 20:-20]
    across = middle.sum(axis=0) / 255 * np.cos(np.arctan2(1, 8))  # darkness of a column is the width of the pen
    assert np.median(across) == pytest.approx(picture.pen, rel=0.3)
    assert across.std() < 0.2 * across.mean()
    assert len(np.unique(middle)) > 20  # grey levels between ink and paper


def test_looks_vary_with_the_seed_and_stay_within_their_ranges():
    look = {"ink": (0, 80), "paper": (225, 255), "texture": 6.0}
    assert np.array_equal(draw(seed=1, **look).image, draw(seed=1, **look).image)
    assert not np.array_equal(draw(seed=1, **look).image[:8, :8], draw(seed=2, **look).image[:8, :8])
    for seed in range(10):
        assert 225 - 6 <= np.median(draw(seed=seed, **look).image) <= 255


def test_noise_colour_rotation_and_skew_do_what_they_say():
    plain = draw()
    assert draw(noise=6.0, paper=(200, 200)).image[:2].std() > 3 and plain.image[0].std() == 0
    assert draw(colour=True).image.shape[2] == 3
    flat, turned = (np.polyfit(*p.points[:, :2].T, 1)[0] for p in (plain, draw(seed=4, rotation=20.0)))
    assert abs(turned - flat) > 0.02
    assert np.ptp(plain.points[:4, 0]) != pytest.approx(np.ptp(draw(skew=40.0).points[:4, 0]), rel=0.05)


def test_a_png_holds_the_picture_bit_for_bit():
    for picture in (draw(), draw(colour=True, texture=5.0)):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(picture.image)))), picture.image)


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"height": 8}, "height"), ({"padding": (0, 30)}, "padding"), ({"ink": (9, 3)}, "ink is 9 to 3"),
     ({"ink": (0, 200)}, "cannot be read"), ({"noise": -1}, "noise"), ({"pen": (0, 1)}, "pen"), ({"skew": 80}, "skew")],
)  # fmt: skip
def test_a_look_out_of_range_is_refused(changes, what):
    with pytest.raises(ValueError, match=what):
        Look(**changes).check()


# -------------------------------------------------------------------------------------------------------------- files


@pytest.mark.smoke
def test_a_data_set_has_exactly_the_lines_asked_for_with_what_was_written_as_their_label(tmp_path):
    content = make(tmp_path / "a", TEXTS, strokes="json")
    labels = table(tmp_path / "a" / "labels.csv")
    assert len(labels) == 20 == sum(content["lines"][split] for split in SPLITS)
    for row, line in zip(labels, open(tmp_path / "a" / "boxes.jsonl", encoding="utf-8")):
        line = json.loads(line)
        image = Image.open(tmp_path / "a" / row["file"])
        assert row["text"] in TEXTS and row["file"].startswith(row["split"] + "/") and row["style"] == "none"
        assert line["text"] == row["text"] and line["file_name"] == row["file"]
        assert (line["width"], line["height"]) == image.size and image.size[1] == 32
        assert "".join(a["character"] for a in line["annotations"]) == row["text"]
        for a in line["annotations"]:
            assert ALPHABET[a["category_id"] - 1] == a["character"]
        page = json.loads((tmp_path / "a" / row["file"]).with_suffix(".json").read_text(encoding="utf-8"))["pages"][0]
        assert page["lines"][0]["text"] == row["text"]
        assert page["width"] / 25.4 * 300 == pytest.approx(image.size[0])
    assert [p.name for p in (tmp_path / "a").iterdir() if p.name.startswith(".")] == []


def test_no_text_is_in_two_splits(tmp_path):
    make(tmp_path / "a", TEXTS, count=40)
    split_of = {}
    for row in table(tmp_path / "a" / "labels.csv"):
        assert split_of.setdefault(row["text"], row["split"]) == row["split"]
    assert set(split_of.values()) == set(SPLITS)


def test_metadata_of_a_split_names_its_files_from_where_it_lies(tmp_path):
    make(tmp_path / "a", TEXTS)
    labels = {row["file"]: row for row in table(tmp_path / "a" / "labels.csv")}
    for split in SPLITS:
        for row in table(tmp_path / "a" / split / "metadata.csv"):
            label = labels.pop(f"{split}/{row['file_name']}")
            assert all(row[key] == label[key] for key in ("text", "style", "bias", "seed"))
    assert not labels


def test_texts_that_csv_would_change_are_kept_by_metadata_in_json(tmp_path):
    content = make(tmp_path / "a", ["NA", "007", "so it is"], count=6)
    assert content["metadata"] == "metadata.jsonl" and not list((tmp_path / "a").rglob("metadata.csv"))
    texts = [json.loads(line)["text"] for p in (tmp_path / "a").rglob("metadata.jsonl") for line in open(p)]
    assert sorted(texts) == ["007", "007", "NA", "NA", "so it is", "so it is"]


def test_lines_that_failed_are_left_out_reported_and_replaced_by_the_next_texts(tmp_path):
    content = make(tmp_path / "a", ["Zoe", *TEXTS], count=20)
    labels, left_out = table(tmp_path / "a" / "labels.csv"), table(tmp_path / "a" / "left_out.csv")
    assert len(labels) == 20 and not any("Z" in row["text"] for row in labels)
    assert {row["text"] for row in left_out} == {"Zoe"} and content["lines"]["left_out"] == len(left_out) > 1
    assert left_out[0]["failures"] == 'skipped "Z" in "Zoe"'


def test_a_model_that_always_fails_is_an_error_and_no_data_set(tmp_path):
    with pytest.raises(ValueError, match="only 0 of 20 lines came out whole"):
        make(tmp_path / "a", ["Zoe", "Zac"])
    assert not (tmp_path / "a" / "dataset.json").exists()


def test_styles_are_written_in_batches_of_their_own_and_labelled(tmp_path):
    asked = []

    def write(texts, biases, seeds, style):
        asked.append((style, len(texts)))
        return write_by_hand(texts, biases, seeds, style)

    make(tmp_path / "a", TEXTS, write, styles=[2, 5], count=10)
    assert asked == [(2, 5), (5, 5)]
    assert [row["style"] for row in table(tmp_path / "a" / "labels.csv")] == 5 * ["2"] + 5 * ["5"]


def test_strokes_as_inkml_are_those_of_the_picture(tmp_path):
    make(tmp_path / "a", ["it is"], strokes="inkml", count=2, shares=[1, 0, 0])
    (path, _) = sorted((tmp_path / "a").rglob("*.inkml"))
    root = ElementTree.fromstring(path.read_bytes())
    traces = [t.text for t in root.iter("{http://www.w3.org/2003/InkML}trace")]
    xy = np.array([[float(v) for v in p.split()[:2]] for trace in traces for p in trace.split(", ")]) / 25.4 * 300
    ink = np.argwhere(np.asarray(Image.open(path.with_suffix(".png"))) < 128)[:, ::-1]
    assert xy.min(axis=0) == pytest.approx(ink.min(axis=0), abs=3)
    assert xy.max(axis=0) == pytest.approx(ink.max(axis=0), abs=3)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_run_that_was_interrupted_goes_on_and_ends_with_the_same_bytes(tmp_path, after):
    texts, changes = ["Zoe", *TEXTS], {"count": 30, "styles": [0, 1, 2]}
    make(tmp_path / "whole", texts, **changes)
    calls = []

    def dies(texts, biases, seeds, style):
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return write_by_hand(texts, biases, seeds, style)

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "a", texts, dies, **changes)
    (tmp_path / "a" / ".unfinished" / "aside-1-1-x").write_bytes(b"half")  # what a kill leaves
    make(tmp_path / "a", texts, **changes)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def test_other_settings_are_refused_for_a_folder_begun_or_complete(tmp_path):
    folder = Folder(str(tmp_path / "a"))
    before = settings(texts_sha256="1")
    assert not claim(folder, before)
    with pytest.raises(UsageError, match=r"begun with count 20 \(now 21\)"):
        claim(Folder(str(tmp_path / "a")), before | {"count": 21})
    with pytest.raises(UsageError, match="begun with other texts"):
        claim(Folder(str(tmp_path / "a")), before | {"texts_sha256": "2"})
    make(tmp_path / "b", TEXTS)
    assert claim(Folder(str(tmp_path / "b")), settings())
    with pytest.raises(UsageError, match="seed 3"):
        claim(Folder(str(tmp_path / "b")), settings(seed=9))


def test_a_folder_of_other_files_or_another_run_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="holds other files"):
        claim(Folder(str(tmp_path / "a")), settings())
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["mine.txt"]
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "dataset.json").write_text("[1]")
    with pytest.raises(UsageError, match="no data set of this command"):
        claim(Folder(str(tmp_path / "b")), settings())
    first = Folder(str(tmp_path / "c"))
    claim(first, settings())
    with pytest.raises(UsageError, match="another run"):
        claim(Folder(str(tmp_path / "c")), settings())


def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path):
    folder = Folder(str(tmp_path / "a"))
    folder.write("x/y", b"1")
    with pytest.raises(OSError, match="x/y/z|x/y") as error:
        folder.write("x/y/z", b"2")
    assert "cannot be written" in str(error.value) and "aside" not in str(error.value)
    assert sorted(contents(tmp_path / "a")) == ["x/y"]
