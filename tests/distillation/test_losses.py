"""The losses in chunks are the plain formulas, gradients included, and need no whole logits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from unicomp.distillation.losses import cross_entropy, divergence

shapes = st.tuples(
    st.integers(1, 23), st.integers(2, 17), st.integers(1, 6), st.integers(1, 6), st.integers(0, 99)
)
"""Tokens, vocabulary, widths of student and teacher, seed."""


def draw(tokens, vocabulary, width, teacher_width, seed):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    weights = torch.rand(tokens, generator=generator, dtype=torch.float64)
    weights = torch.where(weights < 0.3, 0.0, weights)
    weights[0] = 1.0
    return (
        normal(tokens, width).requires_grad_(),
        normal(vocabulary, width).requires_grad_(),
        normal(tokens, teacher_width).requires_grad_(),
        normal(vocabulary, teacher_width).requires_grad_(),
        weights,
        torch.randint(vocabulary, (tokens,), generator=generator),
    )


def close(ours, plain):
    torch.testing.assert_close(ours.double(), plain, rtol=1e-4, atol=1e-6)


@settings(max_examples=30)
@given(shapes, st.integers(1, 9), st.sampled_from([0.5, 1.0, 40.0]))
def test_the_divergence_is_the_plain_formula_with_its_gradients(shape, chunk, temperature):
    hidden, head, aim, aim_head, weights, _ = draw(*shape)
    ours = divergence(hidden, head, aim, aim_head, weights, temperature=temperature, chunk=chunk)
    gradients = torch.autograd.grad(ours, (hidden, head))
    target = functional.softmax(aim.detach() @ aim_head.detach().T / temperature, dim=-1)
    predicted = functional.log_softmax(hidden @ head.T / temperature, dim=-1)
    each = functional.kl_div(predicted, target, reduction="none").sum(dim=-1)
    plain = (each * weights).sum() / weights.sum()
    close(ours, plain)
    for gradient, expected in zip(
        gradients, torch.autograd.grad(plain, (hidden, head)), strict=True
    ):
        close(gradient, expected)


@settings(max_examples=30)
@given(shapes, st.integers(1, 9))
def test_the_cross_entropy_is_the_plain_formula_with_its_gradients(shape, chunk):
    hidden, head, _, _, weights, targets = draw(*shape)
    ours = cross_entropy(hidden, head, targets, weights, chunk=chunk)
    gradients = torch.autograd.grad(ours, (hidden, head))
    each = functional.cross_entropy(hidden @ head.T, targets, reduction="none")
    plain = (each * weights).sum() / weights.sum()
    close(ours, plain)
    for gradient, expected in zip(
        gradients, torch.autograd.grad(plain, (hidden, head)), strict=True
    ):
        close(gradient, expected)


@given(shapes)
def test_a_student_that_predicts_as_its_teacher_has_no_divergence(shape):
    hidden, head, _, _, weights, _ = draw(*shape)
    assert abs(divergence(hidden, head, hidden, head, weights).item()) < 1e-5


def test_the_teacher_learns_nothing():
    hidden, head, aim, aim_head, weights, _ = draw(5, 7, 3, 4, 0)
    divergence(hidden, head, aim, aim_head, weights).backward()
    assert aim.grad is None
    assert aim_head.grad is None


def test_where_no_token_counts_the_loss_and_its_gradient_are_zero():
    hidden, head, aim, aim_head, weights, targets = draw(5, 7, 3, 4, 0)
    for loss in (
        divergence(hidden, head, aim, aim_head, weights * 0),
        cross_entropy(hidden, head, targets, weights * 0),
    ):
        assert loss.item() == 0.0
        (gradient,) = torch.autograd.grad(loss, hidden)
        assert not gradient.any()


def test_the_softmax_is_in_float32_however_the_hidden_states_are_stored():
    hidden, head, aim, aim_head, weights, _ = draw(8, 300, 16, 16, 1)
    stored = [x.detach().bfloat16() for x in (hidden, head, aim, aim_head)]
    loss = divergence(*stored, weights)
    logits = (stored[0] @ stored[1].T).float(), (stored[2] @ stored[3].T).float()
    each = functional.kl_div(
        logits[0].log_softmax(-1), logits[1].log_softmax(-1), reduction="none", log_target=True
    ).sum(-1)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float((each * weights).sum() / weights.sum()), rel=1e-5)


def test_no_more_than_a_chunk_of_logits_is_kept_for_the_backward_pass():
    hidden, head, aim, aim_head, weights, _ = draw(64, 512, 4, 4, 2)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        divergence(hidden, head, aim, aim_head, torch.ones_like(weights), chunk=8)
    assert max(kept) <= 512 * 4
