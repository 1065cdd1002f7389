"""Logit distillation brings the student closer to the teacher, which does not change."""

import pytest
import torch
from torch.nn import functional

from tests.distillation.decoders import DECODERS, decoder, logits, token_ids
from unicomp.distillation.objective import LogitDistillation
from unicomp.distillation.pruning import depth

IDS = token_ids(2, 9, seed=5)
WEIGHTS = torch.ones(IDS.shape)


@pytest.fixture(params=DECODERS)
def objective(request):
    teacher = decoder(request.param)
    return LogitDistillation(depth(teacher, [0, 3]), teacher)


def test_the_loss_is_the_divergence_of_the_logits_alone(objective):
    losses = {name: value.detach() for name, value in objective(IDS, WEIGHTS).items()}
    own = logits(objective.learner, IDS)[:, :-1].log_softmax(-1)
    theirs = logits(objective.teacher, IDS)[:, :-1].log_softmax(-1)
    expected = functional.kl_div(own, theirs, log_target=True, reduction="sum") / 16
    assert float(losses["loss"]) == pytest.approx(float(expected), rel=1e-4)
    assert set(losses) == {"loss", "kl"}


def test_a_copy_of_the_teacher_has_nothing_to_learn(objective):
    teacher = objective.teacher
    same = LogitDistillation(depth(teacher, range(4)), teacher)
    assert float(same(IDS, WEIGHTS)["kl"]) == pytest.approx(0, abs=1e-6)


def test_the_weight_of_a_token_is_that_of_its_prediction(objective):
    """Only the token at place 3 counts: later tokens and the weights of others do not."""
    weights = torch.zeros(IDS.shape)
    weights[0, 3] = 1
    other = IDS.clone()
    other[0, 3:] = 9
    other[1] = 8
    assert float(objective(IDS, weights)["kl"]) == pytest.approx(
        float(objective(other, weights)["kl"]), rel=1e-5
    )
    weights = torch.zeros(IDS.shape)
    weights[:, 0] = 1
    assert float(objective(IDS, weights)["kl"]) == 0.0


def test_every_weight_of_the_student_is_trained_and_none_of_the_teacher(objective):
    objective.train()
    objective(IDS, WEIGHTS)["loss"].backward()
    for name, weight in objective.named_parameters():
        assert weight.requires_grad == name.startswith("learner."), name
        assert (weight.grad is not None) == weight.requires_grad, name
    assert objective.learner.training
    assert not any(module.training for module in objective.teacher.modules())


@pytest.mark.parametrize("autocast", [False, True])
def test_activations_computed_again_give_the_same_gradients(objective, autocast):
    found = []
    for again in (False, True):
        objective.train().zero_grad()
        if again:
            objective.recompute_activations()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            objective(IDS, WEIGHTS)["loss"].backward()
        found.append([weight.grad.clone() for weight in objective.learner.parameters()])
    for before, after in zip(*found, strict=True):
        assert torch.allclose(before, after, rtol=1e-3, atol=1e-6)


def test_training_brings_the_student_closer(objective):
    optimizer = torch.optim.Adam(objective.learner.parameters(), lr=1e-3)
    losses = []
    for _ in range(10):
        loss = objective(IDS, WEIGHTS)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert objective.student() is objective.learner
