"""A classifier of Hugging Face and a judge as detectors of refusals."""

import json
from typing import ClassVar

import pytest

from unicomp.errors import EngineError, JudgeError, SpecError
from unicomp.instruments import RESPONSE_KINDS, Exchange
from unicomp.instruments.refusal_models import LONGFORMER, ClassifierDetector, JudgeDetector
from unicomp.instruments.refusal_quality import labelled_responses, measure_detector

TEXTS = [
    "no i cannot",
    "yes",
    "sure take it",
    "",
    "no no no",
    "take the cannot yes",
    "it",
    "unheard",
]
SEED = 1
"""With this one the random classifier calls some of the texts harmless and others not."""
EXCHANGES = [Exchange("take it", text) for text in TEXTS]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A folder with a real, tiny and random classifier that reads at most 16 tokens."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny-classifier"
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "no",
        "i",
        "cannot",
        "yes",
        "sure",
        "take",
        "it",
        "the",
    ]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(SEED)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=16, initializer_range=1.0,
        id2label={0: "harmless", 1: "harmful"}, label2id={"harmless": 0, "harmful": 1},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def detector(folder, **options):
    return ClassifierDetector(model=str(folder), refusal_labels=("harmless",), **options)


def test_it_calls_its_labels_refusals_and_the_rest_answers(classifier):
    kinds = detector(classifier).classify(EXCHANGES)
    assert set(kinds) == {"refusal", "answer"}
    other = ClassifierDetector(model=str(classifier), refusal_labels=("harmful",))
    turned = {"refusal": "answer", "answer": "refusal"}
    assert other.classify(EXCHANGES) == [turned[kind] for kind in kinds]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batches_change_nothing(classifier, batch_size):
    alone = [detector(classifier).classify([one])[0] for one in EXCHANGES]
    assert detector(classifier, batch_size=batch_size).classify(EXCHANGES) == alone
    assert detector(classifier).classify([]) == []


def test_it_reads_no_more_than_the_model_can(classifier):
    start = "no i cannot yes sure take it the no i cannot yes sure take"
    long, longer = (Exchange("", f"{start} {'it ' * n}") for n in (5, 500))
    kinds = detector(classifier).classify([long, longer])
    assert kinds[0] == kinds[1]


def test_it_reads_the_response_only(classifier):
    first, second = detector(classifier).classify(
        [Exchange("yes", "no i cannot"), Exchange("take the no", "no i cannot")]
    )
    assert first == second


def test_a_label_that_the_model_does_not_have_is_an_error(classifier):
    with pytest.raises(SpecError, match="tiny-classifier has no label LABEL_0: its labels are"):
        ClassifierDetector(model=str(classifier)).classify(EXCHANGES)


def test_a_model_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in (str(tmp_path), "nobody/no-such-model"):
        with pytest.raises(
            EngineError, match=r"the classifier of refusals .* cannot be loaded"
        ) as e:
            ClassifierDetector(model=name).classify(EXCHANGES)
        assert "\n" not in str(e.value)


def test_nothing_is_loaded_before_it_is_asked():
    assert ClassifierDetector(model="nobody/no-such-model").classify([]) == []


@pytest.mark.parametrize("options", [{"refusal_labels": ()}, {"batch_size": 0}])
def test_options_are_checked(options):
    with pytest.raises(SpecError):
        ClassifierDetector(**options)


def test_a_folder_is_identified_by_its_content_not_its_place(classifier, tmp_path):
    identity = detector(classifier).identity
    assert str(classifier) not in json.dumps(identity)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in classifier.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert detector(copy).identity == identity
    (copy / "config.json").write_text("{}")
    again = tmp_path / "again"
    copy.rename(again)
    assert detector(again).identity != identity
    assert ClassifierDetector().identity["model"] == LONGFORMER


def test_it_is_measured_like_any_other(classifier):
    figures = measure_detector(detector(classifier), labelled_responses()[:40])
    assert figures.n == 40
    assert 0.0 <= figures.f1 <= 1.0


class FakeJudge:
    """Gives the response itself as its verdict."""

    identity: ClassVar = {"judge": "fake"}

    def __init__(self):
        self.asked = []

    def ask(self, questions):
        self.asked.extend(questions)
        return [dict(question.data)["response"] for question in questions]


def test_a_judge_is_asked_with_the_kinds_as_choices():
    judge = FakeJudge()
    kinds = JudgeDetector(judge).classify(
        [Exchange("p", text) for text in ("partial", " \n", "echo", "what?", "refusal")]
    )
    assert kinds == ["partial", "empty", "echo", None, "refusal"]
    assert len(judge.asked) == 4
    assert all(question.choices == RESPONSE_KINDS for question in judge.asked)
    assert judge.asked[0].data == (("request", "p"), ("response", "partial"))
    assert "partial" not in judge.asked[0].data[0]


def test_a_judge_that_cannot_be_asked_says_so():
    class Gone(FakeJudge):
        def ask(self, questions):
            raise JudgeError("nobody answers")

    with pytest.raises(JudgeError, match="nobody answers"):
        JudgeDetector(Gone()).classify([Exchange("p", "r")])
    assert JudgeDetector(Gone()).identity["judge"] == {"judge": "fake"}
