"""Low-Rank Clone: the trained weights, the compared activations, and the resulting plain model."""

from dataclasses import replace

import pytest
import torch

from tests.distillation.decoders import DECODERS, decoder, logits, token_ids
from unicomp.distillation.assembly import shape_of
from unicomp.distillation.clone import MATRICES, LowRankClone
from unicomp.distillation.shape import Shape
from unicomp.errors import SpecError

IDS = token_ids(2, 9, seed=4)
WEIGHTS = torch.ones(IDS.shape)
HIDDEN = 40


def clone_of(teacher, hidden=HIDDEN, std=None, **settings):
    """A clone whose projections are large enough for its activations to matter, if asked."""
    torch.manual_seed(1)
    shape = shape_of(teacher).scaled(hidden=hidden)
    shape = replace(shape, tied=settings.pop("tied", shape.tied))
    objective = LowRankClone(teacher, shape, **settings)
    if std is not None:
        with torch.no_grad():
            for name, weight in objective.named_parameters():
                if name.endswith("projection"):
                    weight.normal_(std=std)
    return objective


def losses_of(objective, *batch):
    return {name: float(value.detach()) for name, value in objective(*batch).items()}


def projections(objective):
    return {n: p for n, p in objective.named_parameters() if n.endswith("projection")}


@pytest.fixture(params=DECODERS)
def teacher(request):
    return decoder(request.param)


# -- what comes out -----------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [True, False])
def test_the_plain_student_computes_what_the_projected_one_does(teacher, tied, tmp_path):
    from transformers import AutoModelForCausalLM

    if tied and not teacher.config.tie_word_embeddings:
        pytest.skip("this teacher has a head of its own")
    objective = clone_of(teacher, std=0.15, tied=tied)
    student = objective.student()
    before, after = logits(objective.learner, IDS), logits(student, IDS)
    assert float((before - after).norm() / before.norm()) < 1e-5
    assert before.std() > 0.05
    shape = replace(shape_of(teacher).scaled(hidden=HIDDEN), tied=tied)
    assert shape_of(student) == shape
    assert student.num_parameters() == shape.parameters()
    student.save_pretrained(tmp_path)
    again, report = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert torch.equal(logits(again, IDS), after)


def test_projections_that_change_nothing_give_the_teacher(teacher):
    objective = clone_of(teacher, hidden=64)
    norms = dict(teacher.named_parameters())
    with torch.no_grad():
        for name, weight in objective.learner.named_parameters():
            if name.endswith("projection"):
                weight.copy_(torch.eye(64))
            elif weight.requires_grad:
                weight.copy_(norms[name])
    assert torch.allclose(logits(objective.student(), IDS), logits(teacher, IDS), atol=1e-5)
    losses = losses_of(objective, IDS, WEIGHTS)
    assert losses["clone"] == pytest.approx(0, abs=1e-8)
    assert losses["kl"] == pytest.approx(0, abs=1e-6)


def test_the_student_is_stored_as_the_teacher_is():
    teacher = decoder("qwen2_tied").bfloat16()
    student = clone_of(teacher).student()
    assert {weight.dtype for weight in student.parameters()} == {torch.bfloat16}


# -- what is trained ----------------------------------------------------------------------------


def test_one_projection_for_each_matrix_and_the_norms_are_trained_and_nothing_else(teacher):
    objective = clone_of(teacher)
    trained = {n: p for n, p in objective.named_parameters() if p.requires_grad}
    shape = shape_of(teacher)
    matrices = 7 * shape.layers + (1 if shape.tied else 2)
    norms = 2 * shape.layers + 1
    assert len(trained) == matrices + norms
    size = matrices * shape.hidden * HIDDEN + norms * HIDDEN
    assert sum(weight.numel() for weight in trained.values()) == size
    assert all(name.startswith("learner.") for name in trained)
    assert not any(weight.requires_grad for weight in teacher.parameters())


def test_norms_start_from_one_and_projections_from_small_noise():
    objective = clone_of(decoder("llama"))
    for weight in projections(objective).values():
        assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert (objective.learner.model.norm.weight == 1).all()


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_everything_that_is_trained_gets_a_gradient_and_the_teacher_none(teacher, alpha):
    objective = clone_of(teacher, std=0.1, alpha=alpha).train()
    objective(IDS, WEIGHTS)["loss"].backward()
    for name, weight in objective.named_parameters():
        assert (weight.grad is not None) == weight.requires_grad, name
        if weight.requires_grad:
            assert weight.grad.isfinite().all()
            assert weight.grad.abs().sum() > 0, name


def test_the_teacher_never_is_in_training_mode(teacher):
    objective = clone_of(teacher).train()
    assert objective.learner.training
    assert not any(module.training for module in teacher.modules())


def test_the_teachers_weights_are_not_saved_again_with_the_student(teacher):
    objective = clone_of(teacher)
    for name in objective.state_dict():
        if name.startswith("learner."):
            assert name.endswith(("projection", "norm.weight")), name


def test_training_brings_the_student_closer():
    teacher = decoder("llama")
    objective = clone_of(teacher, std=0.1, alpha=0.5).train()
    trained = [weight for weight in objective.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=3e-3)
    losses = []
    for _ in range(15):
        result = objective(IDS, WEIGHTS)
        optimizer.zero_grad()
        result["loss"].backward()
        optimizer.step()
        losses.append({name: float(value.detach()) for name, value in result.items()})
    for name in ("loss", "clone"):
        assert losses[-1][name] < losses[0][name], name


# -- baselines ----------------------------------------------------------------------------------


def outputs(model):
    """The output of every matrix of every layer for `IDS`, by name."""
    seen, handles = {}, []
    for number, layer in enumerate(model.model.layers):
        for path in MATRICES:
            handles.append(
                layer.get_submodule(path).register_forward_hook(
                    lambda module, inputs, output, key=(number, path): seen.update({key: output})
                )
            )
    with torch.no_grad():
        model.model(IDS)
    for handle in handles:
        handle.remove()
    return seen


def test_activations_are_compared_as_the_paper_says(teacher):
    """Summed over layers and matrices; outputs to the stream are projected first."""
    objective = clone_of(teacher, std=0.15)
    theirs, own = outputs(teacher), outputs(objective.student())
    expected = 0.0
    for (number, path), value in own.items():
        aim = theirs[number, path]
        if MATRICES[path] == "output":
            aim = aim @ objective.learner.model.layers[number].get_submodule(path).projection
        expected += float((value - aim)[:, :-1].detach().square().mean())
    losses = losses_of(objective, IDS, WEIGHTS)
    assert losses["clone"] == pytest.approx(expected, rel=1e-4)


def test_the_total_is_the_cross_entropy_and_both_comparisons(teacher):
    from torch.nn import functional

    objective = clone_of(teacher, std=0.15, alpha=0.2)
    losses = losses_of(objective, IDS, WEIGHTS)
    own, theirs = logits(objective.student(), IDS)[:, :-1], logits(teacher, IDS)[:, :-1]
    entropy = functional.cross_entropy(own.flatten(0, 1), IDS[:, 1:].flatten())
    kl = functional.kl_div(
        (own / 40).log_softmax(-1),
        (theirs / 40).log_softmax(-1),
        log_target=True,
        reduction="batchmean",
    )
    assert losses["cross_entropy"] == pytest.approx(float(entropy), rel=1e-4)
    assert losses["kl"] == pytest.approx(float(kl), rel=1e-3)
    total = losses["cross_entropy"] + losses["kl"] + 0.2 * losses["clone"]
    assert losses["loss"] == pytest.approx(total, rel=1e-6)


def test_tokens_of_no_weight_change_nothing(teacher):
    objective = clone_of(teacher, std=0.15)
    weights = WEIGHTS.clone()
    weights[1, 5:] = 0
    other = IDS.clone()
    other[1, 5:] = 7
    first, second = losses_of(objective, IDS, weights), losses_of(objective, other, weights)
    for name, value in first.items():
        assert value == pytest.approx(second[name], rel=1e-5), name


def test_texts_packed_into_one_sequence_do_not_see_each_other(teacher):
    """In student and teacher alike, the second text gives what it gives alone."""
    objective = clone_of(teacher, std=0.15)
    packed = torch.cat([IDS[:1], IDS[1:]], dim=1)
    positions = torch.arange(9).repeat(2)[None]
    weights = torch.ones(1, 18)
    weights[:, :10] = 0
    apart = losses_of(objective, IDS[1:], WEIGHTS[1:])
    for name, value in losses_of(objective, packed, weights, positions).items():
        assert value == pytest.approx(apart[name], rel=1e-4), name


# -- memory and precision -----------------------------------------------------------------------


def gradients(objective):
    objective.train().zero_grad()
    losses = objective(IDS, WEIGHTS)
    losses["loss"].backward()
    return {n: v.detach() for n, v in losses.items()}, {
        n: p.grad.clone() for n, p in objective.named_parameters() if p.requires_grad
    }


def test_activations_computed_again_give_the_same_gradients(teacher):
    objective = clone_of(teacher, std=0.1)
    plain, before = gradients(objective)
    objective.recompute_activations()
    for _ in range(2):
        again, after = gradients(objective)
        assert float(again["loss"]) == float(plain["loss"])
        for name, gradient in before.items():
            assert torch.allclose(gradient, after[name], rtol=1e-4, atol=1e-6), name


def test_half_precision_hardly_changes_the_losses(teacher):
    objective = clone_of(teacher, std=0.1)
    plain, _ = gradients(objective)
    objective.recompute_activations()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses, after = gradients(objective)
    for name in plain:
        assert float(losses[name]) == pytest.approx(float(plain[name]), rel=0.05), name
    assert all(gradient.isfinite().all() for gradient in after.values())


def test_teacher_and_student_move_together():
    """Cast or sent elsewhere as one module, the projections still see the teacher's weights."""
    objective = clone_of(decoder("qwen2_tied"), std=0.1)
    before = losses_of(objective, IDS, WEIGHTS)
    after = losses_of(objective.double(), IDS, WEIGHTS)
    assert {weight.dtype for weight in objective.student().parameters()} == {torch.float64}
    for name, value in before.items():
        assert value == pytest.approx(after[name], rel=1e-4), name


def test_a_teacher_in_half_precision_can_be_cloned_with_projections_in_full():
    objective = clone_of(decoder("qwen3_tied").bfloat16(), std=0.1)
    for autocast in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            losses, after = gradients(objective)
        assert losses["loss"].isfinite()
        assert {gradient.dtype for gradient in after.values()} == {torch.float32}


def test_no_tensor_of_all_logits_is_ever_made(monkeypatch):
    teacher = decoder("llama", vocab_size=3001)
    objective = clone_of(teacher, std=0.1).train()
    monkeypatch.setattr("unicomp.distillation.losses.CHUNK", 4)
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        rows = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.shape[-1:] == (3001,):
                self.rows = max(self.rows, result.numel() // 3001)
            return result

    with Largest() as seen:
        objective(IDS, WEIGHTS)["loss"].backward()
    assert 0 < seen.rows <= 64  # the head itself, transposed, has as many rows as channels


def test_nothing_is_kept_of_a_batch_that_needs_no_backward_pass():
    objective = clone_of(decoder("llama"))
    with torch.no_grad():
        objective(IDS, WEIGHTS)
    assert not objective._pair._inputs
    assert not objective._pair._aims


# -- what cannot be -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"layers": 2}, {"intermediate": 40}, {"hidden": 128}, {"tied": True}]
)
def test_only_the_hidden_size_may_differ(change):
    teacher = decoder("llama")
    shape: Shape = replace(shape_of(teacher), **({"hidden": 40} | change))
    with pytest.raises(SpecError):
        LowRankClone(teacher, shape)
