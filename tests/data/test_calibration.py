"""Calibration text: drawn from declared data sets, or read from a user's file."""

import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unicomp.catalogue import calibration_names, load_recipe, roots, seeded_calibrations
from unicomp.data.calibration import (
    Mixture,
    Part,
    Recipe,
    apportioned,
    conversation,
    messages_of,
)
from unicomp.data.calibration_file import (
    parse_json_lines,
    parse_paragraphs,
    read_calibration_file,
)
from unicomp.data.sources import Source
from unicomp.errors import SpecError
from unicomp.mirror.needs import recipe_needs
from unicomp.spec import Calibration
from unicomp.store import Store

REPOSITORY = Path(__file__).parents[2]


def text_of(row: Any) -> str:
    return str(row["text"])


def mirror(root: Path, dataset: str, config: str, rows: list[dict[str, Any]]) -> None:
    """A data set in the layout of the hub."""
    folder = root / dataset
    (folder / config).mkdir(parents=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / config / "train.jsonl").write_text(lines)
    head = folder / "README.md"
    known = head.read_text().removesuffix("---\n") if head.exists() else "---\nconfigs:\n"
    known += (
        f"- config_name: {config}\n  data_files:\n"
        f"  - split: train\n    path: {config}/train.jsonl\n"
    )
    head.write_text(f"{known}---\n")


@pytest.fixture
def source(tmp_path: Path) -> Source:
    root = tmp_path / "mirror"
    mirror(root, "org/web", "en", [{"text": f"page {number}"} for number in range(50)])
    mirror(root, "org/sums", "easy", [{"text": f"sum {number}"} for number in range(20)])
    mirror(root, "org/sums", "hard", [{"text": f"hard sum {number}"} for number in range(20)])
    mirror(root, "org/few", "main", [{"text": "only one"}])
    return Source(str(root))


WEB = Part(dataset="org/web", configs=("en",), render=text_of, large=True)
SUMS = Part(dataset="org/sums", configs=("easy", "hard"), render=text_of)
FEW = Part(dataset="org/few", configs=("main",), render=text_of)
LACKING = Part(dataset="org/lacking", configs=("main",), render=text_of)


def test_the_parts_have_equal_shares(source: Source) -> None:
    drawn = Recipe(name="mixed", parts=(WEB, SUMS), samples=11).load(source)
    assert sum(str(sample).startswith("page") for sample in drawn.samples) == 6
    assert sum("sum" in str(sample) for sample in drawn.samples) == 5
    assert len(set(drawn.samples)) == 11


def test_configurations_are_pooled(source: Source) -> None:
    drawn = Recipe(name="sums", parts=(SUMS,), samples=30).load(source)
    assert {str(sample).split()[0] for sample in drawn.samples} == {"sum", "hard"}


def test_a_part_with_few_rows_gives_all_of_them(source: Source) -> None:
    drawn = Recipe(name="few", parts=(FEW, SUMS), samples=10).load(source)
    assert drawn.samples.count("only one") == 1
    assert len(drawn.samples) == 6


UNUSABLE = {
    "another-column": (lambda row: row["answer"], r"cannot be rendered \(KeyError: 'answer'\)"),
    "nothing": (lambda row: None, "becomes None: return a text, or a conversation"),
    "a-list": (lambda row: [row["text"]], r"becomes \['only one'\]: return a text"),
    "turns-without-a-role": (lambda row: ({"content": "x"},), "return a text, or a conversation"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_row_that_becomes_no_sample_is_named_with_its_set(source: Source, case: str) -> None:
    render, message = UNUSABLE[case]
    recipe = Recipe(name="mine", parts=(Part(dataset="org/few", configs=("main",), render=render),))
    with pytest.raises(SpecError, match=f"calibration mine: a row of org/few .*{message}"):
        recipe.load(source)
    with pytest.raises(SpecError, match=message):
        next(recipe.stream(source, seed=1))


@pytest.mark.parametrize("part", [WEB, SUMS], ids=["streamed", "read whole"])
def test_the_seed_decides_what_is_drawn(source: Source, part: Part) -> None:
    first, again, other = (
        Recipe(name="drawn", parts=(part,), samples=8, seed=seed).load(source).digest
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_the_name_does_not_change_the_digest_and_the_tokens_do(source: Source) -> None:
    plain = Recipe(name="one", parts=(SUMS,), samples=4).load(source)
    renamed = Recipe(name="two", parts=(SUMS,), samples=4).load(source)
    longer = Recipe(name="one", parts=(SUMS,), samples=4, tokens=7).load(source)
    assert plain.digest == renamed.digest != longer.digest


def test_a_file_that_was_replaced_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "rows/org/plain/train.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"old": "known to the cache"}\n')
    os.utime(path, (1, 1))
    datasets.load_dataset(str(path.parent))
    path.write_text('{"text": "new"}\n')
    os.utime(path, (1, 1))  # as old as the one before
    part = Part(dataset="org/plain", configs=("default",), render=text_of)
    drawn = Recipe(name="plain", parts=(part,)).load(Source(str(tmp_path / "rows")))
    assert drawn.samples == ("new",)


def test_a_split_that_the_root_lacks_is_named(source: Source) -> None:
    part = Part(dataset="org/sums", configs=("easy",), render=text_of, split="dev")
    with pytest.raises(SpecError, match=r"org/sums \(easy; dev\): no split dev, only"):
        Recipe(name="broken", parts=(part,)).load(source)


def test_a_set_that_the_root_lacks_is_named(source: Source) -> None:
    recipe = Recipe(name="broken", parts=(SUMS, LACKING))
    with pytest.raises(SpecError, match=r"lacks org/lacking.*--dataset-root"):
        recipe.check(source)
    with pytest.raises(SpecError, match=r"lacks org/lacking.*--dataset-root"):
        recipe.load(source)


def test_a_configuration_that_the_root_lacks_is_named(source: Source) -> None:
    part = Part(dataset="org/sums", configs=("none",), render=text_of)
    with pytest.raises(SpecError, match=r"does not give org/sums \(none; train\)"):
        Recipe(name="broken", parts=(part,)).load(source)


def test_a_set_that_cannot_be_fetched_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import datasets

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(SpecError, match=r"org/web \(en; train\) cannot be fetched.*--dataset-root"):
        Recipe(name="far", parts=(WEB,)).load(Source("hub"))


def test_rows_drawn_before_are_remembered_until_the_files_change(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    store = Store(tmp_path / "home")
    recipe = Recipe(name="sums", parts=(SUMS,), samples=4)
    drawn = recipe.load(source, store)
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "load_dataset", None)
        assert recipe.load(source, store) == drawn
    assert source.folder is not None
    rows = source.folder / "org/sums/easy/train.jsonl"
    rows.write_text("".join(json.dumps({"text": f"new {n}"}) + "\n" for n in range(90)))
    assert any(str(sample).startswith("new") for sample in recipe.load(source, store).samples)


def test_drawing_prints_nothing(source: Source, capfd: pytest.CaptureFixture[str]) -> None:
    Recipe(name="mixed", parts=(WEB, SUMS)).load(source)
    assert capfd.readouterr() == ("", "")


SHIPPED = calibration_names(roots(REPOSITORY))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_calibration_reads_the_embedded_rows(name: str) -> None:
    drawn = load_recipe(name, roots(REPOSITORY)).load(Source("embedded"))
    assert len(drawn.samples) == 256
    assert drawn.tokens == 1024


@pytest.mark.parametrize("name", SHIPPED)
def test_another_seed_draws_other_samples_of_the_embedded_rows(name: str) -> None:
    recipe = load_recipe(name, roots(REPOSITORY))
    first, other = (replace(recipe, seed=seed).load(Source("embedded")) for seed in (42, 43))
    assert first.digest != other.digest


@pytest.mark.parametrize("name", ["reasoning", "facts", "instructions"])
def test_questions_and_requests_come_with_their_answers(name: str) -> None:
    drawn = load_recipe(name, roots(REPOSITORY)).load(Source("embedded"))
    for asked, answered in drawn.samples:
        assert (asked["role"], answered["role"]) == ("user", "assistant")


def test_facts_contain_no_numbers() -> None:
    drawn = load_recipe("facts", roots(REPOSITORY)).load(Source("embedded"))
    assert not any(character.isdigit() for character in str(drawn.samples))


@pytest.mark.parametrize("where", ["hub", "embedded"])
def test_mixed_is_equal_shares_of_kinds_however_many_parts_they_have(where: str) -> None:
    recipe = load_recipe("mixed", roots(REPOSITORY))
    parts = recipe.parts_of(Source(where))
    wanted = recipe.embedded_samples if where == "embedded" else recipe.samples
    kinds: Counter[str | None] = Counter()
    for part, share in zip(parts, recipe.shares(parts, wanted), strict=True):
        kinds[part.kind] += share
    equal = wanted // 4
    assert kinds == dict.fromkeys(("generic", "reasoning", "multilingual", "instructions"), equal)


KINDS = st.lists(st.sampled_from([None, "one", "two", "three"]), min_size=1, max_size=9)


@given(KINDS, st.integers(100, 1000))
def test_shares_are_whole_and_equal_among_kinds_and_within_them(
    kinds: list[str | None], wanted: int
) -> None:
    parts = tuple(
        Part(dataset=f"org/{number}", configs=("a",), render=text_of, kind=kind)
        for number, kind in enumerate(kinds)
    )
    shares = Recipe(name="some", parts=parts).shares(parts, wanted)
    assert sum(shares) == wanted
    within: dict[object, list[int]] = {}
    for number, (kind, share) in enumerate(zip(kinds, shares, strict=True)):
        within.setdefault(kind or number, []).append(share)
    wholes = [sum(group) for group in within.values()]
    assert max(wholes) - min(wholes) <= 1
    assert all(max(group) - min(group) <= 1 for group in within.values())


def test_a_mixture_follows_the_calibrations_that_it_names() -> None:
    mixture = Mixture(name="both", of=("web", "sums"))
    mixed = mixture.recipe(
        [Recipe(name="web", parts=(WEB,), embedded=(FEW,)), Recipe(name="sums", parts=(SUMS, FEW))]
    )
    assert [(part.dataset, part.kind) for part in mixed.parts] == [
        ("org/web", "web"),
        ("org/sums", "sums"),
        ("org/few", "sums"),
    ]
    assert [part.dataset for part in mixed.parts_of(Source("embedded"))] == [
        "org/few",
        "org/sums",
        "org/few",
    ]


# -- weights ------------------------------------------------------------------------------------

WEIGHTS = st.lists(
    st.integers(1, 1000) | st.floats(0.001, 1000.0, allow_nan=False), min_size=1, max_size=9
)


@given(st.integers(0, 5000), WEIGHTS)
def test_shares_by_weight_are_whole_numbers_next_to_their_exact_quotas(
    whole: int, weights: list[float]
) -> None:
    shares = apportioned(whole, weights)
    assert sum(shares) == whole
    total = sum(Fraction(str(weight)) for weight in weights)
    quotas = [whole * Fraction(str(weight)) / total for weight in weights]
    assert all(
        math.floor(quota) <= share <= math.ceil(quota)
        for share, quota in zip(shares, quotas, strict=True)
    )
    # the largest remainders are rounded up
    up = [q - math.floor(q) for share, q in zip(shares, quotas, strict=True) if share > q]
    down = [q - math.floor(q) for share, q in zip(shares, quotas, strict=True) if share < q]
    assert min(up, default=Fraction(1)) >= max(down, default=Fraction(0))


@given(st.integers(0, 5000), st.integers(1, 9), st.floats(0.001, 1000.0))
def test_equal_weights_give_the_remainder_to_the_first(whole: int, n: int, weight: float) -> None:
    equal = [whole // n + (number < whole % n) for number in range(n)]
    assert apportioned(whole, [weight] * n) == equal


def test_weights_count_as_they_are_written() -> None:
    assert apportioned(10, [0.1, 0.2, 0.7]) == [1, 2, 7]
    assert apportioned(3, [0.1, 0.1, 0.1]) == [1, 1, 1]


def weighed(**about: Any) -> Recipe:
    recipes = [
        Recipe(name="sums", parts=(SUMS, FEW)),
        Recipe(name="web", parts=(WEB,)),
    ]
    return Mixture(name="most_sums", of={"sums": 3, "web": 1}, **about).recipe(recipes)


def test_a_mixture_by_weight_draws_so_many_samples_of_each(source: Source) -> None:
    drawn = weighed(samples=16, tokens=77).load(source)
    kinds = Counter(str(sample).split()[0] for sample in drawn.samples)
    # 12 of sums, half of them of a set with a single row; 4 of the web
    assert (kinds["sum"] + kinds["hard"], kinds["only"], kinds["page"]) == (6, 1, 4)
    assert drawn.tokens == 77


@given(start=st.integers(0, 40))
def test_a_stream_by_weight_takes_turns_by_weight_from_any_start(start: int) -> None:
    recipe = replace(weighed(), parts=(SUMS, WEB, FEW), weights={}, samples=6)
    numbers = {"org/sums": 0, "org/web": 1, "org/few": 2}
    parts = tuple(replace(part, kind=part.dataset) for part in recipe.parts)
    recipe = replace(recipe, parts=parts, weights={"org/sums": 4})

    def rows(part: Part, seed: int, source: Source, first: int) -> Iterator[dict[str, str]]:
        return ({"text": f"{numbers[part.dataset]} {number}"} for number in count(first))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unicomp.data.calibration.endless_rows", rows)
        whole = list(islice(recipe.stream(Source("hub"), 1), start + 12))
        assert list(islice(recipe.stream(Source("hub"), 1, start), 12)) == whole[start:]
    assert Counter(str(sample)[0] for sample in whole[start : start + 12]) == {
        "0": 8,
        "1": 2,
        "2": 2,
    }


WRONG = {
    "zero": ({"of": {"a": 0}}, "the weight of a is 0: give a number above 0"),
    "negative": ({"of": {"a": -1.5}}, "the weight of a is -1.5"),
    "infinite": ({"of": {"a": math.inf}}, "the weight of a is inf"),
    "text": ({"of": {"a": "3"}}, "the weight of a is '3'"),
    "yes": ({"of": {"a": True}}, "the weight of a is True"),
    "twice": ({"of": ("a", "a")}, "it mixes a calibration twice"),
    "nothing": ({"of": ()}, "`of` needs at least one name"),
    "a-name": ({"of": "generic"}, "`of` needs at least one name in a tuple"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_mixture_is_refused_with_its_name(case: str) -> None:
    settings, message = WRONG[case]
    with pytest.raises(SpecError, match=f"calibration mine: .*{re.escape(message)}"):
        Mixture(name="mine", **settings)


def test_a_part_too_small_for_its_weight_is_refused() -> None:
    with pytest.raises(SpecError, match="each part needs at least one sample"):
        weighed(samples=2)


def test_a_weight_of_no_kind_is_refused() -> None:
    part = replace(SUMS, kind="sums")
    with pytest.raises(SpecError, match=r"no part is of the kind .sum. .*did you mean .sums."):
        Recipe(name="mine", parts=(part,), weights={"sum": 2})


@pytest.mark.parametrize(("where", "wanted"), [("hub", 512), ("embedded", 256)])
def test_three_quarters_of_the_reasoning_mixture_are_the_task(where: str, wanted: int) -> None:
    recipe = load_recipe("reasoning_mixture", roots(REPOSITORY))
    parts = recipe.parts_of(Source(where))
    kinds: Counter[str | None] = Counter()
    for part, share in zip(parts, recipe.shares(parts, wanted), strict=True):
        kinds[part.kind] += share
    eighth = wanted // 8
    assert kinds == {"reasoning": 6 * eighth, "instructions": eighth, "generic": eighth}


def test_the_reasoning_mixture_is_drawn_from_the_embedded_rows() -> None:
    drawn = load_recipe("reasoning_mixture", roots(REPOSITORY)).load(Source("embedded"))
    assert len(drawn.samples) == 256
    assert sum(isinstance(sample, str) for sample in drawn.samples) == 32  # web pages


def test_a_mirror_needs_the_data_sets_of_all_that_a_mixture_mixes() -> None:
    recipe = load_recipe("reasoning_mixture", roots(REPOSITORY))
    assert {need.dataset for need in recipe_needs(recipe, Source("hub"))} == {
        "openai/gsm8k",
        "EleutherAI/hendrycks_math",
        "allenai/ai2_arc",
        "allenai/tulu-3-sft-personas-instruction-following",
        "allenai/c4",
    }


def test_shipped_calibrations_draw_what_they_always_drew() -> None:
    """Checkpoints in stores are identified by these texts."""
    digests = {
        "generic": "de436b7ea52f403c",
        "reasoning": "1d4c45b9240c9469",
        "multilingual": "1551cd90cba07ad5",
        "instructions": "5fcc633a4301e854",
        "facts": "1fcbbc9484e3b846",
        "mixed": "e39fab4aed469330",
    }
    known = roots(REPOSITORY)
    found = {name: load_recipe(name, known).load(Source("embedded")).digest for name in digests}
    assert {name: digest[:16] for name, digest in found.items()} == digests


def test_only_role_and_content_of_messages_are_kept() -> None:
    row = {"messages": [{"content": "Hello", "role": "user", "id": 7}]}
    assert messages_of(row) == ({"role": "user", "content": "Hello"},)


def test_reasoning_is_equal_thirds_of_its_sets() -> None:
    recipe = load_recipe("reasoning", roots(REPOSITORY))
    assert [part.dataset for part in recipe.parts] == [
        "openai/gsm8k",
        "EleutherAI/hendrycks_math",
        "allenai/ai2_arc",
    ]
    row = {
        "question": "Which?",
        "choices": {"label": ["A", "B"], "text": ["this", "that"]},
        "answerKey": "B",
    }
    assert recipe.parts[2].render(row) == conversation("Which?\nA. this\nB. that", "B. that")


# -- a user's own file --------------------------------------------------------------------------

LINES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1)


@given(st.lists(st.lists(LINES, min_size=1), min_size=1), st.sampled_from(["\n\n", "\n \n\t\n"]))
def test_paragraphs_come_back_as_they_were_written(paragraphs: list[list[str]], gap: str) -> None:
    texts = ["\n".join(lines) for lines in paragraphs]
    assert parse_paragraphs(gap.join(texts)) == texts
    assert parse_paragraphs(f"\n\n{gap.join(texts)}\n") == texts


@given(st.lists(st.text().filter(str.strip)))
def test_json_lines_come_back_as_they_were_written(texts: list[str]) -> None:
    lines = "\n\n".join(json.dumps({"text": text}) for text in texts)
    assert parse_json_lines(lines, "file") == texts


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), st.text()), min_size=1))
def test_conversations_come_back_as_they_were_written(turns: list[tuple[str, str]]) -> None:
    messages = [{"role": role, "content": content} for role, content in turns]
    assert parse_json_lines(json.dumps({"messages": messages}), "file") == [tuple(messages)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "each line must be"),
        ("{}", "each line must be"),
        ('{"text": "a", "messages": []}', "each line must be"),
        ('{"text": " "}', "text must be a string that is not empty"),
        ('{"text": 3}', "text must be a string that is not empty"),
        ('{"messages": []}', "messages must be a list that is not empty"),
        ('{"messages": ["hello"]}', "each message must be"),
        ('{"messages": [{"role": "user"}]}', "each message must be"),
        ('{"messages": [{"role": "robot", "content": "x"}]}', "'robot' must be one of"),
        ('{"text": "a \\ud800 b"}', "\\ud800 is half of a character"),
        ('{"messages": [{"role": "user", "content": "\\udc00"}]}', "\\udc00 is half of a"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
)
def test_a_bad_line_is_named_with_its_number(line: str, reason: str) -> None:
    with pytest.raises(SpecError, match=r"mine\.jsonl, line 3: ") as caught:
        parse_json_lines(f'{{"text": "good"}}\n\n{line}\n', "mine.jsonl")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("mine.txt", b"", "is empty"),
        ("mine.txt", b" \n\n \n", "is empty"),
        ("mine.jsonl", b"\n", "is empty"),
        ("mine.txt", b"\xff\xfe\x00", "is not UTF-8 text"),
        ("mine.txt", b"a\x00b", "is not text"),
        ("mine.csv", b"a,b", "must end in .txt or .jsonl"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SpecError, match=reason):
        read_calibration_file(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none.txt cannot be read: No such file"):
        read_calibration_file(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("joined.txt", b"\xef\xbb\xbfone\n\n\xef\xbb\xbftwo\n"),
        ("joined.jsonl", b'\xef\xbb\xbf{"text": "one"}\n\xef\xbb\xbf{"text": "two"}\n'),
    ],
)
def test_the_byte_order_marks_of_joined_files_are_no_text(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert read_calibration_file(path).samples == ("one", "two")


def test_half_a_character_is_refused_wherever_it_comes_from() -> None:
    with pytest.raises(SpecError, match=r"calibration c: \\ud83d in sample 2 is half"):
        Calibration(name="c", samples=("a", ({"role": "user", "content": "\ud83d"},)))


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "my own text.txt"
    path.write_text("first\n\nsecond", encoding="utf-8-sig")
    calibration = read_calibration_file(path)
    assert calibration.samples == ("first", "second")
    assert calibration.name == "my-own-text"


def test_a_long_file_gives_the_same_samples_each_time(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("\n\n".join(f"paragraph {number}" for number in range(1000)))
    assert len(read_calibration_file(path).samples) == 512
    assert read_calibration_file(path) == read_calibration_file(path)


def test_another_seed_draws_other_samples_of_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("\n\n".join(f"paragraph {number}" for number in range(1000)))
    assert read_calibration_file(path, seed=43).digest != read_calibration_file(path).digest


# -- the calibrations of a session --------------------------------------------------------------


def names_of(given: list[str], seeds: int = 1) -> list[str]:
    return [str(draw) for draw in seeded_calibrations(given, seeds, roots(REPOSITORY))[0]]


def test_a_seed_is_named_where_it_is_not_the_default_one() -> None:
    assert names_of(["reasoning"]) == ["reasoning"]
    assert names_of(["reasoning", "generic"], seeds=3) == [
        "reasoning",
        "reasoning@43",
        "reasoning@44",
        "generic",
        "generic@43",
        "generic@44",
    ]


def test_a_file_that_every_seed_takes_whole_has_one_seed_and_a_note(tmp_path: Path) -> None:
    short, long = tmp_path / "short.txt", tmp_path / "long.txt"
    short.write_text("one\n\ntwo")
    long.write_text("\n\n".join(f"paragraph {number}" for number in range(1000)))
    seeded, notes = seeded_calibrations([str(short), str(long)], 2, roots(REPOSITORY))
    assert [str(draw) for draw in seeded] == ["short", "long", "long@43"]
    (note,) = notes
    assert note.startswith(f"{short} has 2 samples, and every seed takes all of them")
    assert seeded_calibrations([str(short)], 1, roots(REPOSITORY))[1] == ()


def test_calibrations_with_one_name_are_refused(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a/mine.txt", "b/mine.jsonl")]
    for path in files:
        path.parent.mkdir()
        path.write_text('{"text": "one"}\n')
    with pytest.raises(SpecError, match=r"mine\.txt and .*mine\.jsonl have the same name, mine"):
        names_of([str(path) for path in files])
    with pytest.raises(SpecError, match="--calibration generic is given twice"):
        names_of(["generic", "reasoning", "generic"])


@pytest.mark.parametrize("name", ["generic", "none"])
def test_a_file_named_like_something_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.txt").write_text("my own text")
    with pytest.raises(SpecError, match=r"is named like .*: rename it"):
        names_of([str(tmp_path / f"{name}.txt")])


def test_importing_brings_in_no_heavy_library() -> None:
    heavy = ["torch", "transformers", "datasets", "numpy", "llmcompressor"]
    code = (
        "import sys, unicomp.data.calibration, unicomp.catalogue, unicomp.checkpoint;"
        "from pathlib import Path; from unicomp import catalogue as c;"
        "roots = c.roots(Path('.'));"
        "[c.load_method(n, roots) for n in c.method_names(roots)];"
        "[c.load_recipe(n, roots) for n in c.calibration_names(roots)];"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert done.stdout.strip() == "[]"


# -- text without end ---------------------------------------------------------------------------


def test_a_stream_takes_its_parts_in_turns_and_never_ends(source: Source) -> None:
    recipe = Recipe(name="mixed", parts=(FEW, SUMS))
    drawn = [str(sample) for sample in islice(recipe.stream(source, 1), 40)]
    assert drawn[0::2] == ["only one"] * 20 or len(set(drawn[0::2])) == 1
    assert all("sum" in sample or "hard" in sample for sample in drawn[1::2])


def test_a_set_that_is_exhausted_begins_again_in_another_order(source: Source) -> None:
    recipe = Recipe(name="sums", parts=(SUMS,))
    size = len(recipe.load(source).samples)
    drawn = list(islice(recipe.stream(source, 1), 2 * size))
    first, second = drawn[:size], drawn[size:]
    assert sorted(map(str, first)) == sorted(map(str, second))
    assert first != second


@pytest.mark.parametrize("part", [WEB, SUMS], ids=["large", "small"])
def test_a_stream_is_a_function_of_its_seed_and_can_begin_anywhere(
    source: Source, part: Part
) -> None:
    recipe = Recipe(name="mixed", parts=(part, FEW))
    first, again = (list(islice(recipe.stream(source, 1), 30)) for _ in range(2))
    assert first == again != list(islice(recipe.stream(source, 2), 30))
    for start in (1, 6, 13):
        assert list(islice(recipe.stream(source, 1, start), 10)) == first[start : start + 10]


def test_a_stream_from_a_source_that_lacks_the_set_is_refused(source: Source) -> None:
    with pytest.raises(SpecError, match="lacks org/lacking"):
        next(Recipe(name="lacking", parts=(LACKING,)).stream(source, 1))


def test_generated_text_takes_the_place_of_the_embedded_rows() -> None:
    recipe = Recipe(
        name="made", parts=(SUMS,), embedded_stream=lambda seed: (f"{seed} {n}" for n in count())
    )
    assert list(islice(recipe.stream(Source("embedded"), 5, 3), 2)) == ["5 3", "5 4"]
