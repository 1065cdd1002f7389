"""Tasks: real lm-eval tasks over rows in the hub's layout, rendered alike for any sample."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from unicomp.catalogue import load_benchmarks
from unicomp.data.sources import Source
from unicomp.errors import AbsentError, ScoringError, SpecError
from unicomp.mirror.needs import benchmark_needs
from unicomp.prompts.answers import answered_items
from unicomp.prompts.items import Renderer
from unicomp.prompts.lengths import overlong
from unicomp.prompts.sizes import size_of
from unicomp.prompts.tasks import Definition, task_file
from unicomp.scoring.aggregate import Mean
from unicomp.scoring.task_metrics import TaskMetric
from unicomp.spec import Benchmark
from unicomp.store import Store

SUITES = [Path(__file__).parents[2] / "suites" / "reliability"]

QUIZ = """
task: quiz
dataset_path: tiny/quiz
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_choice: "{{options}}"
doc_to_target: "{{answer}}"
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""

SUMS = """
task: sums
dataset_path: tiny/sums
output_type: generate_until
fewshot_split: train
test_split: test
fewshot_config:
  sampler: first_n
doc_to_text: "{{question}}"
doc_to_target: "#### {{answer}}"
generation_kwargs:
  until: ["\\n"]
filter_list:
  - name: strict-match
    filter:
      - function: regex
        regex_pattern: "#### (-?[0-9]+)"
        group_select: -1
      - function: take_first
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
    regexes_to_ignore: ["#### "]
"""

LANGUAGES = ("de", "fr")
README = """---
configs:
- config_name: {0}
  data_files:
  - split: test
    path: {0}/test.jsonl
- config_name: {1}
  data_files:
  - split: test
    path: {1}/test.jsonl
---
""".format(*LANGUAGES)


@dataclass(frozen=True)
class Chat:
    """A chat template that shows who speaks."""

    name: str = "chat"

    @property
    def identity(self):
        return self.name

    def __call__(self, messages, add_generation_prompt=True):
        turns = "".join(f"<{one['role']}>{one['content']}" for one in messages)
        return turns + ("<assistant>" if add_generation_prompt else "")


@dataclass(frozen=True)
class Words:
    """A tokenizer whose tokens are words."""

    template: Chat | None = None
    context: int = 1000
    identity: str = "words"

    def encode(self, text):
        return text.split()

    def decode(self, tokens):
        return " ".join(tokens)


PLAIN, CHATTY = Words(), Words(Chat())


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def quiz_rows(language, count=30):
    """Questions on ten topics, three of each."""
    return [
        {
            "question": f"{language} question {i}",
            "options": [f"right {i}", f"wrong {i}"],
            "answer": 0,
            "topic": f"topic {i % 10}",
        }
        for i in range(count)
    ]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A mirror with two data sets; what `datasets` makes of them stays below it."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = tmp_path / "rows"
    for language in LANGUAGES:
        write_rows(rows / "tiny/quiz" / language / "test.jsonl", quiz_rows(language))
    (rows / "tiny/quiz/README.md").write_text(README)
    sums = [{"question": f"{i} + {i} =", "answer": str(2 * i), "pair": i // 2} for i in range(40)]
    write_rows(rows / "tiny/sums/test.jsonl", sums)
    write_rows(rows / "tiny/sums/train.jsonl", [{**row, "pair": -1} for row in sums[:3]])
    return rows


@pytest.fixture
def source(root):
    return Source(str(root))


def benchmark(folder, text, name="task", **about):
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    settings = {"scorer": TaskMetric("acc,none"), "aggregate": Mean("correct"), **about}
    return Benchmark(name="tiny", metric="knowledge", task=path, **settings)


@pytest.fixture
def quiz(tmp_path):
    return benchmark(tmp_path, QUIZ, "quiz", configs=LANGUAGES, cluster="topic")


@pytest.fixture
def sums(tmp_path):
    return benchmark(tmp_path, SUMS, "sums", max_new_tokens=32)


def keys(prompted):
    return [one.key for one in prompted]


# -- which items ----------------------------------------------------------------------------------


def test_all_rows_are_items_and_each_has_its_own_name(source, quiz):
    prompted = Renderer(source).items(quiz, PLAIN)
    assert len(prompted) == 60
    assert len({one.item for one in prompted}) == 60
    assert {one.doc["config"] for one in prompted} == set(LANGUAGES)


def test_a_sample_is_a_prefix_of_any_larger_one(source, sums):
    everything = Renderer(source).items(sums, PLAIN)
    for samples in (1, 7, 20, 39, 40, 1000):
        found = Renderer(source, samples).items(sums, PLAIN)
        assert len(found) == min(samples, 40)
        assert keys(found) == keys(everything)[: len(found)]
        assert [one.item for one in found] == [one.item for one in everything][: len(found)]


def test_a_sample_holds_whole_clusters(source, quiz):
    everything = Renderer(source).items(quiz, PLAIN)
    for samples in (1, 4, 10, 31):
        found = Renderer(source, samples).items(quiz, PLAIN)
        assert keys(found) == keys(everything)[: len(found)]
        assert samples <= len(found) < samples + 3
        sizes = {one.cluster: 0 for one in found}
        for one in found:
            sizes[one.cluster] += 1
        assert set(sizes.values()) == {3}


def test_clusters_of_two_configurations_are_apart(source, quiz):
    clusters = {one.cluster for one in Renderer(source).items(quiz, PLAIN)}
    assert clusters == {f"{language}/topic {i}" for language in LANGUAGES for i in range(10)}


def test_translations_of_one_item_are_one_cluster(source, quiz):
    parallel = replace(quiz, parallel=True)
    clusters = {one.cluster for one in Renderer(source).items(parallel, PLAIN)}
    assert clusters == {f"topic {i}" for i in range(10)}


def test_a_cluster_may_be_named_by_several_columns(source, quiz):
    named = replace(quiz, cluster=("topic", "answer"))
    clusters = {one.cluster for one in Renderer(source).items(named, PLAIN)}
    assert clusters == {f"{language}/topic {i}/0" for language in LANGUAGES for i in range(10)}


def test_without_a_cluster_each_item_stands_alone(source, sums):
    prompted = Renderer(source).items(sums, PLAIN)
    assert [one.cluster for one in prompted] == [one.item for one in prompted]


def test_the_items_are_shuffled_but_always_alike(source, sums):
    docs = [[one.doc["question"] for one in Renderer(source).items(sums, PLAIN)] for _ in range(2)]
    assert docs[0] == docs[1]
    assert docs[0] != [f"{i} + {i} =" for i in range(40)]


def test_equal_rows_are_different_items_with_the_same_answer(root, source, sums):
    write_rows(root / "tiny/sums/test.jsonl", [{"question": "1 + 1 =", "answer": "2"}] * 3)
    prompted = Renderer(source).items(sums, PLAIN)
    assert len({one.item for one in prompted}) == 3
    assert len({one.key for one in prompted}) == 1


def test_a_benchmark_is_rendered_once_for_each_template(source, sums):
    renderer = Renderer(source)
    assert renderer.items(sums, PLAIN) is renderer.items(sums, PLAIN)
    assert renderer.items(sums, CHATTY) is renderer.items(sums, CHATTY)
    assert renderer.items(sums, CHATTY) is not renderer.items(sums, Words(Chat("other")))


def test_a_cluster_that_the_rows_lack_is_refused_with_their_columns(source, tmp_path):
    mistaken = benchmark(tmp_path, SUMS, cluster="story")
    with pytest.raises(ScoringError, match=r"no column 'story'; they have .*question"):
        Renderer(source).items(mistaken, PLAIN)


# -- what is asked --------------------------------------------------------------------------------


def test_a_choice_is_one_request_for_each_option(source, quiz):
    for one in Renderer(source, 3).items(quiz, PLAIN):
        assert [request.request_type for request in one.requests] == ["loglikelihood"] * 2
        prompts, continuations = zip(*(request.arguments for request in one.requests), strict=True)
        assert set(prompts) == {one.doc["question"]}
        assert [text.strip() for text in continuations] == one.doc["options"]


def test_a_generation_is_greedy_and_bounded(source, sums):
    (one,) = Renderer(source, 1).items(sums, PLAIN)
    (request,) = one.requests
    prompt, decoding = request.arguments
    assert request.request_type == "generate_until"
    assert prompt == one.doc["question"]
    assert decoding["do_sample"] is False
    assert decoding["max_gen_toks"] == 32
    assert decoding["until"] == ["\n"]


def test_the_declared_temperature_is_used_where_it_is_asked_for(source, sums):
    warm = replace(sums, temperature=0.7)
    (sampled,) = Renderer(source, 1, sampling="declared").items(warm, PLAIN)
    (greedy,) = Renderer(source, 1).items(warm, PLAIN)
    decoding = sampled.requests[0].arguments[1]
    assert (decoding["do_sample"], decoding["temperature"]) == (True, 0.7)
    assert greedy.requests[0].arguments[1]["do_sample"] is False
    assert sampled.key != greedy.key
    (cold,) = Renderer(source, 1, sampling="declared").items(sums, PLAIN)
    assert cold.requests[0].arguments[1]["do_sample"] is False


def test_examples_come_before_the_question(source, sums):
    (one,) = Renderer(source, 1).items(replace(sums, shots=2), PLAIN)
    prompt = one.requests[0].arguments[0]
    assert prompt == f"0 + 0 = #### 0\n\n1 + 1 = #### 2\n\n{one.doc['question']}"


def test_examples_do_not_depend_on_the_sample(source, sums):
    shots = replace(sums, shots=2)
    everything = Renderer(source).items(shots, PLAIN)
    assert keys(Renderer(source, 5).items(shots, PLAIN)) == keys(everything)[:5]


def test_a_chat_template_is_used_where_the_benchmark_wants_it(source, sums):
    (chat,) = Renderer(source, 1).items(replace(sums, shots=1), CHATTY)
    (plain,) = Renderer(source, 1).items(replace(sums, shots=1, chat=False), CHATTY)
    (none,) = Renderer(source, 1).items(replace(sums, shots=1), PLAIN)
    question = chat.doc["question"]
    assert chat.requests[0].arguments[0] == (
        f"<user>0 + 0 =<assistant>#### 0<user>{question}<assistant>"
    )
    assert plain.key == none.key != chat.key
    assert plain.item == none.item == chat.item


def test_the_key_tells_whatever_decides_the_answer(source, sums, tmp_path):
    def key(bench, tokenizer=PLAIN):
        return Renderer(source, 1).items(bench, tokenizer)[0].key

    texts = {
        "another prompt": SUMS.replace("{{question}}", "{{question}} ?"),
        "another stop": SUMS.replace('"\\n"', '"."'),
    }
    found = {
        "plain": key(sums),
        "tokens": key(replace(sums, max_new_tokens=33)),
        "shots": key(replace(sums, shots=1)),
        "chat": key(sums, CHATTY),
        **{name: key(benchmark(tmp_path, text)) for name, text in texts.items()},
    }
    assert len(set(found.values())) == len(found)


# -- what is made of the answers ------------------------------------------------------------------


def test_the_likelier_option_is_the_answer(source, quiz):
    prompted = Renderer(source, 3).items(quiz, PLAIN)[:3]
    responses = [
        [(-1.0, True), (-9.0, False)],
        [(-9.0, False), (-1.0, True)],
        [[-2.0, False], [-3.0, False]],  # as they come back from a file
    ]
    items = answered_items(prompted, responses)
    assert [item.results["acc,none"] for item in items] == [1, 0, 1]
    assert [TaskMetric("acc,none")(item).fields["correct"] for item in items] == [1, 0, 1]
    assert all(TaskMetric("acc,none")(item).parsed for item in items)
    assert [item.doc["question"] for item in items] == [item.prompt for item in items]


def test_the_filter_of_the_task_reads_the_answer(source, sums):
    prompted = Renderer(source, 4).items(sums, PLAIN)
    right = [one.doc["answer"] for one in prompted]
    texts = [f"so #### {right[0]}", right[1], "#### 99999", f"#### 7 no, #### {right[3]}"]
    items = answered_items(prompted, [[text] for text in texts])
    readings = [TaskMetric("exact_match,strict-match")(item) for item in items]
    assert [reading.fields["correct"] for reading in readings] == [1, 0, 0, 1]
    assert [reading.parsed for reading in readings] == [True, False, True, True]
    assert [item.text for item in items] == texts


def test_items_may_be_scored_again_with_other_answers(source, sums):
    prompted = Renderer(source, 2).items(sums, PLAIN)
    right = [[f"#### {one.doc['answer']}"] for one in prompted]
    for responses, expected in ((right, 1), ([["no"]] * 2, 0), (right, 1)):
        items = answered_items(prompted, responses)
        assert {item.results["exact_match,strict-match"] for item in items} == {expected}


def test_the_configuration_is_a_column(source, quiz):
    keep = TaskMetric("acc,none", keep=("config",))
    prompted = Renderer(source).items(quiz, PLAIN)
    items = answered_items(prompted, [[(-1.0, True), (-2.0, True)]] * len(prompted))
    kept = [keep(item).fields["config"] for item in items]
    assert kept == [one.doc["question"].split()[0] for one in prompted]


def test_each_item_needs_its_answers(source, sums):
    prompted = Renderer(source, 2).items(sums, PLAIN)
    with pytest.raises(ValueError):
        answered_items(prompted, [["one"]])
    with pytest.raises(ValueError):
        answered_items(prompted, [["one", "two"], ["one"]])


# -- what identifies a benchmark ------------------------------------------------------------------


@pytest.fixture
def identity(tmp_path, source):
    store = Store(tmp_path / "home")
    return lambda bench: Definition(bench, source).identity(store.digest_of)


def test_the_same_definition_has_the_same_identity(identity, quiz):
    assert identity(quiz) == identity(quiz)
    assert json.loads(json.dumps(identity(quiz)))["configs"] == list(LANGUAGES)


def test_what_is_declared_and_not_there_is_part_of_the_identity(identity, quiz):
    """Else a record would be recalled without the fault that it now has."""
    more, other = (replace(quiz, configs=("de", *names)) for names in (("yo",), ("yo", "sw")))
    assert identity(more) != identity(other)


def test_the_rows_are_part_of_the_identity(identity, root, quiz, sums):
    before, other = identity(quiz), identity(sums)
    write_rows(root / "tiny/quiz/de/test.jsonl", quiz_rows("de", 31))
    assert identity(quiz) != before
    assert identity(sums) == other


def test_a_new_file_of_rows_is_part_of_the_identity(identity, root, sums):
    before = identity(sums)
    write_rows(root / "tiny/sums/validation.jsonl", [{"question": "?"}])
    assert identity(sums) != before


def test_the_task_and_what_it_includes_are_part_of_the_identity(identity, tmp_path):
    (tmp_path / "base.yaml").write_text(SUMS)
    (tmp_path / "rules.py").write_text("def text(doc):\n    return doc['question']\n")
    text = "include: base.yaml\ndoc_to_text: !function rules.text\n"
    bench = benchmark(tmp_path, text)
    found = [identity(bench)]
    for name, content in (
        ("task.yaml", text + "description: 'Add up.'\n"),
        ("base.yaml", SUMS + "\n# changed\n"),
        ("rules.py", "def text(doc):\n    return doc['question'] + '?'\n"),
    ):
        (tmp_path / name).write_text(content)
        found.append(identity(bench))
    assert all(one != other for i, one in enumerate(found) for other in found[:i])


@pytest.mark.parametrize(
    "changed",
    [
        {"shots": 3},
        {"max_new_tokens": 64},
        {"chat": False},
        {"cluster": "pair"},
        {"configs": ("x",)},
    ],
    ids=str,
)
def test_what_the_declaration_says_is_part_of_the_identity(identity, sums, changed):
    assert identity(replace(sums, **changed)) != identity(sums)


def test_rows_on_the_hub_cannot_be_identified_offline(quiz):
    assert Definition(quiz, Source("hub")).identity(str) is None


def test_a_task_with_functions_and_includes_is_rendered(source, tmp_path):
    (tmp_path / "base.yaml").write_text(SUMS)
    (tmp_path / "rules.py").write_text("def text(doc):\n    return doc['question'] + '?'\n")
    bench = benchmark(tmp_path, "include: base.yaml\ndoc_to_text: !function rules.text\n")
    (one,) = Renderer(source, 1).items(bench, PLAIN)
    assert one.requests[0].arguments[0] == one.doc["question"] + "?"


# -- rows beside the task file ---------------------------------------------------------------------

OWN = SUMS.replace("dataset_path: tiny/sums", "dataset_path: ./rows")


@pytest.fixture
def own(root, tmp_path):
    """A benchmark that brings its rows."""
    folder = tmp_path / "own"
    shutil.copytree(root / "tiny" / "sums", folder / "rows")
    return benchmark(folder, OWN)


@pytest.mark.parametrize("name", ["hub", "embedded"])
def test_rows_beside_the_task_file_are_read_whatever_the_source(own, sums, source, name):
    items = Renderer(Source(name)).items(own, PLAIN)
    assert [one.doc for one in items] == [one.doc for one in Renderer(source).items(sums, PLAIN)]
    assert size_of(Definition(own, Source(name))).items == len(items)


def test_rows_beside_the_task_file_are_part_of_the_identity(own, tmp_path):
    before = Definition(own, Source("hub")).identity(Path.read_text)
    assert set(before["rows"]) == {"test.jsonl", "train.jsonl"}
    (tmp_path / "own/rows/test.jsonl").write_text('{"question": "1+1?", "answer": "2"}\n')
    assert Definition(own, Source("hub")).identity(Path.read_text) != before


def test_no_mirror_or_lock_needs_the_rows_beside_a_task_file(own, sums, source):
    assert benchmark_needs(Definition(sums, source))
    assert benchmark_needs(Definition(own, source)) == []


def test_a_folder_that_is_not_beside_the_task_file_is_one_line(own, source, tmp_path):
    shutil.rmtree(tmp_path / "own" / "rows")
    with pytest.raises(
        SpecError, match=r"names the rows \./rows, and there is no folder"
    ) as refusal:
        Definition(own, source).check()
    assert "\n" not in str(refusal.value)


# -- what is missing ------------------------------------------------------------------------------


def test_a_data_set_that_is_not_there_is_one_line(tmp_path, quiz):
    empty = tmp_path / "empty"
    empty.mkdir()
    source = Source(str(empty))
    for ask in (
        lambda: Definition(quiz, source).check(),
        lambda: Renderer(source).items(quiz, PLAIN),
    ):
        with pytest.raises(SpecError, match="lacks tiny/quiz") as refusal:
            ask()
        assert "\n" not in str(refusal.value)


def test_a_configuration_that_is_not_there_is_named(source, quiz):
    Definition(quiz, source).check()
    with pytest.raises(SpecError, match=r"lacks tiny/quiz, configuration 'yo'"):
        Definition(replace(quiz, configs=("yo", "sw")), source).check()


def test_where_some_configurations_are_there_the_others_are_a_fault(source, quiz):
    assert Definition(quiz, source).fault is None
    partial = Definition(replace(quiz, configs=("de", "yo", "sw")), source)
    partial.check()
    assert partial.configs == ("de",)
    assert "lacks 2 of the 3 configurations of tiny/quiz: yo, sw" in partial.fault
    assert {one.doc["config"] for one in Renderer(source).items(partial.benchmark, PLAIN)} == {"de"}


def test_rows_of_which_a_part_is_not_there_are_missing(source, root, sums, tmp_path):
    (root / "tiny/sums/test.jsonl").rename(root / "tiny/sums/test-00000-of-00002.jsonl")
    with pytest.raises(AbsentError, match=r"there is no .*test-00001-of-00002"):
        Definition(sums, source).check()
    named = SUMS + "dataset_kwargs: {data_files: {test: test-*, train: train.jsonl}}\n"
    with pytest.raises(AbsentError, match=r"there is no .*test-00001-of-00002"):
        Definition(benchmark(tmp_path, named), source).check()


@pytest.mark.parametrize("content", ["", "not json\n", "[1, 2]\n"])
def test_rows_that_cannot_be_read_are_one_line(root, source, sums, content):
    (root / "tiny/sums/test.jsonl").write_text(content)
    with pytest.raises(SpecError, match="the rows of tiny/sums") as refusal:
        Renderer(source).items(sums, PLAIN)
    assert "\n" not in str(refusal.value)


def test_a_task_file_that_is_not_there_is_named(sums, tmp_path):
    for task in (tmp_path / "nothing.yaml", "nothing/nothing.yaml"):
        with pytest.raises(
            SpecError, match=r"benchmark tiny: there is no task file .*nothing.yaml"
        ):
            task_file(replace(sums, task=task))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("include: task.yaml\n", "includes itself"),
        ("include: other.yaml\n", "includes itself"),
        ("include:\n", "include must name a file, or a list of files"),
        ("include: 3\n", "include must name a file, or a list of files"),
        ("include: [other.yaml, 3]\n", "include must name a file, or a list of files"),
    ],
)
def test_an_include_that_leads_nowhere_is_named(source, tmp_path, text, reason):
    (tmp_path / "other.yaml").write_text("include: [task.yaml]\n")
    with pytest.raises(SpecError, match=rf"the task file \S*/task\.yaml.* {reason}") as refusal:
        Definition(benchmark(tmp_path, text), source).check()
    assert "\n" not in str(refusal.value)


def test_a_file_may_be_included_twice(source, tmp_path):
    (tmp_path / "base.yaml").write_text(SUMS)
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text("include: base.yaml\n")
    Definition(benchmark(tmp_path, "include: [one.yaml, two.yaml]\n"), source).check()


def test_a_stock_task_of_lm_eval_is_found_by_its_path(sums):
    assert task_file(replace(sums, task="gsm8k/gsm8k-cot.yaml")).is_file()


def test_a_task_without_a_data_set_is_refused(source, tmp_path):
    bench = benchmark(tmp_path, "task: nothing\n")
    with pytest.raises(SpecError, match="names no dataset_path"):
        Definition(bench, source).check()


# -- the embedded rows ----------------------------------------------------------------------------


def test_on_the_embedded_rows_prompts_are_short_and_have_no_examples(sums):
    embedded = Definition(replace(sums, shots=4, max_new_tokens=512), Source("embedded"))
    assert (embedded.shots, embedded.max_new_tokens) == (0, 128)
    assert Definition(sums, Source("embedded")).max_new_tokens == 32


def test_the_embedded_world_says_how_short_its_answers_are():
    short = next(bench for bench in load_benchmarks(SUITES) if bench.name == "stereoset")
    assert Definition(short, Source("embedded")).max_new_tokens == 4
    assert Definition(short, Source("hub")).max_new_tokens == short.max_new_tokens == 128


def test_of_a_file_that_several_share_the_embedded_rows_hold_some():
    found = {
        bench.name: Definition(bench, Source("embedded"))
        for bench in load_benchmarks(SUITES)
        if bench.name in ("scifact", "climate_fever")
    }
    found["scifact"].check()
    with pytest.raises(AbsentError, match="has source 'climate' in truthfulness/"):
        found["climate_fever"].check()


def test_the_embedded_world_asks_in_its_own_words(tmp_path):
    stock = Benchmark(
        name="arc_easy",
        metric="knowledge",
        task="arc/arc_easy.yaml",
        chat=False,
        scorer=TaskMetric("acc,none"),
        aggregate=Mean("correct"),
    )
    (one,) = Renderer(Source("embedded"), 1).items(stock, CHATTY)
    question = one.doc["question"]
    assert one.requests[0].arguments[0] == f"<user>{question}<assistant>"
    assert Definition(stock, Source(str(tmp_path))).settings["doc_to_text"].startswith("Question:")


# -- what is too long -----------------------------------------------------------------------------


def test_a_prompt_needs_room_for_its_answer(source, sums):
    """Every prompt is `N + N =`: four words."""
    prompted = Renderer(source).items(replace(sums, max_new_tokens=30), PLAIN)
    assert overlong(prompted, replace(PLAIN, context=34)) == 0
    assert overlong(prompted, replace(PLAIN, context=33)) == 40


def test_an_option_is_part_of_what_must_fit(source, quiz):
    """Every prompt with its option is `de question N right N`: five words, the last predicted."""
    prompted = Renderer(source).items(quiz, PLAIN)
    assert overlong(prompted, replace(PLAIN, context=4)) == 0
    assert overlong(prompted, replace(PLAIN, context=3)) == 60


def test_where_nothing_is_said_the_engine_keeps_room_for_256_tokens(source, sums):
    prompted = Renderer(source).items(replace(sums, max_new_tokens=None), PLAIN)
    assert overlong(prompted, replace(PLAIN, context=260)) == 0
    assert overlong(prompted, replace(PLAIN, context=259)) == 40


# -- running text ---------------------------------------------------------------------------------

PAGES = """
task: pages
dataset_path: tiny/pages
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: "{{page}}"
metric_list:
  - metric: word_perplexity
"""


@pytest.fixture
def pages(root, tmp_path):
    texts = [" ".join(f"w{page}_{i}" for i in range(25)) for page in range(3)]
    write_rows(root / "tiny/pages/test.jsonl", [{"page": text} for text in texts])
    return benchmark(tmp_path, PAGES, "pages"), " ".join(texts).split()


@pytest.mark.parametrize("context", [2, 7, 10, 75, 5000])
def test_windows_hold_the_whole_text_and_do_not_overlap(source, pages, context):
    bench, words = pages
    found = Renderer(source).items(bench, replace(PLAIN, context=context))
    windows = [one.requests[0].arguments[0] for one in found]
    by_place = [w for _, w in sorted(zip((o.doc["window"] for o in found), windows, strict=True))]
    kept = [word for window in by_place for word in window]
    assert kept == words[: len(kept)]
    assert len(words) - len(kept) <= 1  # a window of one token predicts nothing
    assert all(2 <= len(window) <= context for window in windows)
    assert all(o.doc["tokens"] == len(w) - 1 for o, w in zip(found, windows, strict=True))


def test_a_window_is_no_longer_than_the_papers(source, root, pages):
    write_rows(root / "tiny/pages/test.jsonl", [{"page": "word " * 9000}])
    found = Renderer(source).items(pages[0], replace(PLAIN, context=100_000))
    assert sorted(len(one.requests[0].arguments[0]) for one in found) == [808, 4096, 4096]


def test_windows_follow_the_tokenizer_not_the_template(source, pages):
    renderer = Renderer(source)
    assert renderer.items(pages[0], PLAIN) is renderer.items(pages[0], CHATTY)
    other = replace(PLAIN, identity="other words")
    assert renderer.items(pages[0], PLAIN) is not renderer.items(pages[0], other)
