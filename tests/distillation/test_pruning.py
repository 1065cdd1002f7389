"""A cut removes the chosen parts and leaves the others unchanged: shapes, weights, logits."""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.distillation.decoders import DECODERS, decoder, logits, token_ids
from tests.families import EMBEDDED
from unicomp.distillation.assembly import shape_of
from unicomp.distillation.importance import Importance, measure_importance
from unicomp.distillation.pruning import candidates, choose, depth, width
from unicomp.distillation.shape import Shape
from unicomp.errors import BuildError, SpecError
from unicomp.methods.stored_weights import headers

IDS = token_ids(2, 9, seed=3)
CUTS = {
    "hidden": {"hidden": 48},
    "intermediate": {"intermediate": 40},
    "heads": {"heads": 4},
    "all": {"hidden": 40, "intermediate": 41, "heads": 4},
}


@pytest.fixture(scope="module", params=DECODERS)
def teacher(request):
    return decoder(request.param)


@pytest.fixture(scope="module")
def importance(teacher):
    return measure_importance(teacher, [IDS])


def test_with_nothing_taken_away_every_logit_is_the_same(teacher, importance):
    for student in (width(teacher, importance, shape_of(teacher)), depth(teacher, range(4))):
        assert torch.equal(logits(student, IDS), logits(teacher, IDS))


def test_a_student_shares_no_memory_with_its_teacher(teacher, importance):
    before = logits(teacher, IDS)
    for student in (width(teacher, importance, shape_of(teacher)), depth(teacher, range(4))):
        with torch.no_grad():
            for weight in student.parameters():
                weight.zero_()
    assert torch.equal(logits(teacher, IDS), before)


@pytest.mark.parametrize("cut", CUTS)
def test_a_student_has_the_shape_and_size_that_were_counted_and_is_read_again(
    teacher, importance, cut, tmp_path
):
    shape = shape_of(teacher).scaled(**CUTS[cut])
    check_saved(width(teacher, importance, shape), shape, tmp_path)


def test_a_shallow_student_is_read_again_too(teacher, tmp_path):
    shape = shape_of(teacher).scaled(layers=2)
    student = depth(teacher, [0, 3])
    types = teacher.config.to_dict().get("layer_types")
    if types:
        assert student.config.layer_types == [types[0], types[3]]
    check_saved(student, shape, tmp_path)


def check_saved(student, shape, folder):
    """It has as many weights as its shape says, in memory and on disk, and loads again."""
    from transformers import AutoModelForCausalLM

    assert student.num_parameters() == shape.parameters()
    student.save_pretrained(folder)
    assert Shape.of(json.loads((folder / "config.json").read_text())) == shape
    stored = headers(folder)
    assert (
        sum(torch.Size(entry["shape"]).numel() for entry in stored.values()) == shape.parameters()
    )
    again, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert torch.equal(logits(again, IDS), logits(student, IDS))


def test_a_student_answers_as_the_teacher_whose_other_parts_are_silent(teacher):
    """Heads and neurons taken away are heads and neurons set to zero."""
    generator = torch.Generator().manual_seed(0)
    own = shape_of(teacher)
    importance = Importance(
        heads=torch.rand(own.layers, own.heads, generator=generator),
        neurons=torch.rand(own.layers, own.intermediate, generator=generator),
        hidden=torch.rand(own.hidden, generator=generator),
        layers=torch.rand(own.layers, generator=generator),
    )
    student = width(teacher, importance, own.scaled(intermediate=40, heads=4))
    silent = depth(teacher, range(4))
    with torch.no_grad():
        for number, layer in enumerate(silent.model.layers):
            for neuron in importance.neurons[number].argsort()[:-40]:
                layer.mlp.down_proj.weight[:, neuron] = 0
            for group in range(2):
                ranked = importance.heads[number, 4 * group : 4 * group + 4].argsort()[:-2]
                for head in ranked + 4 * group:
                    start = head * own.head_dim
                    layer.self_attn.o_proj.weight[:, start : start + own.head_dim] = 0
    assert torch.allclose(logits(student, IDS), logits(silent, IDS), atol=1e-4, rtol=1e-4)


@given(data=st.data())
def test_the_most_important_stay_in_their_order(data):
    from unicomp.distillation.pruning import _top

    scores = torch.tensor(
        data.draw(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20, unique=True))
    )
    count = data.draw(st.integers(1, len(scores)))
    kept = _top(scores, count)
    if kept is None:
        assert count == len(scores)
        return
    assert kept.tolist() == sorted(set(kept.tolist()))
    gone = [i for i in range(len(scores)) if i not in kept.tolist()]
    assert len(kept) == count
    assert scores[kept].min() > scores[gone].max()


def test_only_widths_are_cut_by_width(teacher, importance):
    own = shape_of(teacher)
    for wrong in (
        replace(own, layers=2),
        replace(own, head_dim=own.head_dim * 2),
        replace(own, intermediate=own.intermediate + 1),
    ):
        with pytest.raises(SpecError):
            width(teacher, importance, wrong)


@pytest.mark.parametrize("keep", [[], [1, 0], [0, 0], [0, 4], [-1, 2]])
def test_layers_are_kept_once_and_in_order(teacher, keep):
    with pytest.raises(SpecError, match="layers"):
        depth(teacher, keep)


# -- which layers go ----------------------------------------------------------------------------


@given(layers=st.integers(2, 40), data=st.data())
def test_candidates_leave_out_one_block_and_never_the_last_layer(layers, data):
    drop = data.draw(st.integers(1, layers - 1))
    kept = candidates(layers, drop)
    assert len(set(kept)) == len(kept) == layers - drop
    for keep in kept:
        gone = sorted(set(range(layers)) - set(keep))
        assert gone == list(range(gone[0], gone[0] + drop))
        assert keep[-1] == layers - 1


def test_the_published_choice_is_a_candidate():
    assert (*range(15), 31) in candidates(32, 16)


def test_the_layers_are_chosen_by_what_the_model_is_worth_without_them(teacher):
    def score(model):
        return -float((logits(model, IDS) - logits_of_best).abs().sum())

    logits_of_best = logits(depth(teacher, [0, 3]), IDS)
    before = logits(teacher, IDS)
    choice = choose(teacher, 2, score)
    assert choice.keep == (0, 3)
    assert choice.scores[0, 3] == pytest.approx(0, abs=1e-3)
    assert list(choice.scores) == [(2, 3), (0, 3)]
    assert torch.equal(logits(teacher, IDS), before)
    assert shape_of(teacher).layers == 4


def test_a_candidate_can_generate(teacher):
    def score(model):
        answer = model.generate(IDS, max_new_tokens=3, min_new_tokens=3, do_sample=False)
        student = depth(model, range(len(model.model.layers)))
        again = student.generate(IDS, max_new_tokens=3, min_new_tokens=3, do_sample=False)
        assert torch.equal(answer, again)
        return 0.0

    assert len(choose(teacher, 1, score).scores) == 3


def test_a_choice_needs_a_score(teacher):
    with pytest.raises(BuildError, match="number"):
        choose(teacher, 1, lambda model: float("nan"))
    shaky = iter([float("nan"), 1.0, 2.0])
    assert choose(teacher, 1, lambda model: next(shaky)).keep == (0, 1, 3)


def test_a_failing_score_leaves_the_model_as_it_was(teacher):
    def fail(model):
        raise ZeroDivisionError

    before = logits(teacher, IDS)
    with pytest.raises(ZeroDivisionError):
        choose(teacher, 2, fail)
    assert torch.equal(logits(teacher, IDS), before)


# -- importance means something -----------------------------------------------------------------

TEXTS = EMBEDDED.parent / "rows" / "allenai" / "c4" / "en" / "train.jsonl"


LONG = [pytest.param(cut, marks=pytest.mark.long) for cut in ({"hidden": 112}, {"hidden": 96})]


@pytest.mark.long
@pytest.mark.parametrize("cut", [{"intermediate": 256}, *LONG], ids=str)
def test_the_important_parts_are_worth_more_than_random_ones(embedded, cut):
    """The loss of a trained model on texts like those it was measured on. Where little is cut, one
    of five random cuts can be lucky; their mean is not.
    """
    model, importance, loss = embedded
    shape = shape_of(model).scaled(**cut)
    by_chance = [loss(width(model, shuffled(importance, seed), shape)) for seed in range(5)]
    assert loss(model) < loss(width(model, importance, shape)) < sum(by_chance) / 5


@pytest.fixture(scope="module")
def embedded():
    """The embedded model, the importance of its parts, and a function: model → nats a token."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(EMBEDDED, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    by_length = {}
    for line in TEXTS.read_text().splitlines():
        ids = tokenizer(json.loads(line)["text"], add_special_tokens=False).input_ids
        by_length.setdefault(len(ids), []).append(ids)
    seen = [torch.tensor(rows[::2]) for rows in by_length.values()]
    held_out = [torch.tensor(rows[1::4]) for rows in by_length.values() if len(rows) > 1]

    def loss(student):
        total = tokens = 0.0
        for rows in held_out:
            predicted = logits(student, rows)[:, :-1].log_softmax(-1)
            total -= float(predicted.gather(-1, rows[:, 1:, None]).sum())
            tokens += rows[:, 1:].numel()
        return total / tokens

    return model, measure_importance(model, seen), loss


def shuffled(importance, seed):
    """The same values in random order."""
    generator = torch.Generator().manual_seed(seed)

    def deal(values):
        order = torch.rand(values.shape, generator=generator).argsort(dim=-1)
        return values.gather(-1, order)

    return Importance(
        heads=deal(importance.heads),
        neurons=deal(importance.neurons),
        hidden=deal(importance.hidden),
        layers=deal(importance.layers),
    )
