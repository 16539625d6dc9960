import math

import pytest
import torch
from torch import nn

from tests.helpers.training import compose_train
from titleclf.config.schemas import OptimConfig
from titleclf.runtime.errors import InputError
from titleclf.training.network import Network
from titleclf.training.optimizer import Groups, Optimizer, RowAdamW, clip_gradients, group_parameters, lr_factor


def network(*overrides: str) -> Network:
    config = compose_train("model.dim=5", *overrides).model
    return Network(config, characters=11, length=13, categories=3)


def optim(**changes) -> OptimConfig:
    values = {
        "lr": 0.1,
        "table_lr": 0.2,
        "loaded_lr": 0.3,
        "weight_decay": 0.5,
        "table_decay": 0.25,
        "loaded_decay": 0.75,
        "betas": [0.9, 0.999],
        "warmup_fraction": 0.2,
        "clip_norm": 1.0,
        "skip": ["characters"],
    }
    return OptimConfig(**{**values, **changes})


def names(made: nn.Module, parameters: list[nn.Parameter]) -> set[str]:
    return {name for name, parameter in made.named_parameters() if any(parameter is one for one in parameters)}


@pytest.mark.parametrize("model", ["bag", "ngram", "conv"])
@pytest.mark.parametrize("extra", [[], ["model.hidden=7", "model.positions=learned"]])
def test_every_parameter_is_in_exactly_one_group(model, extra):
    made = network(f"model={model}", *extra)
    groups = group_parameters(made, ["characters"])
    grouped = list(groups)
    assert len(grouped) == len({id(parameter) for parameter in grouped}) == len(list(made.parameters()))
    assert all(parameter.ndim >= 2 for parameter in [*groups.matrices, *groups.tables])


def test_only_matrices_outside_skip_decay():
    made = network("model=ngram", "model.buckets=97", "model.hidden=7", "model.positions=learned")
    groups = group_parameters(made, ["characters"])
    assert names(made, groups.matrices) == {"encoder.embedding.positions.table", "head.0.weight", "head.2.weight"}
    assert names(made, groups.undecayed) == {"encoder.embedding.characters.weight", "head.0.bias", "head.2.bias"}
    assert names(made, groups.tables) == {"encoder.ngrams.weight"}


def test_tables_have_a_decay_of_their_own():
    with pytest.raises(InputError, match=r"optim.skip must name modules of the model: .*head. Got ngrams."):
        group_parameters(network("model=ngram", "model.buckets=97"), ["ngrams"])


def test_frozen_parameters_are_in_no_group():
    made = network("model=bag")
    made.encoder.embedding.characters.weight.requires_grad = False
    groups = group_parameters(made, ["characters"])
    assert names(made, list(groups)) == {"head.weight", "head.bias"}


def test_skip_must_name_a_module():
    sentence = r"optim.skip must name modules of the model: characters, embedding, encoder, head. Got ngrams, nonsense."
    with pytest.raises(InputError, match=sentence):
        group_parameters(network("model=bag"), ["ngrams", "nonsense"])


def test_decay_shrinks_matrices_by_their_share_and_nothing_else():
    made = network("model=bag", "model.positions=learned")
    before = {name: parameter.detach().clone() for name, parameter in made.named_parameters()}
    optimizer = Optimizer(made, optim(warmup_fraction=0.0), steps=10)
    optimizer.step(sum(0.0 * parameter.sum() for parameter in made.parameters()))
    shares = {"head.weight": 0.1 * 0.5, "encoder.embedding.positions.table": 0.1 * 0.5}
    for name, parameter in made.named_parameters():
        assert torch.allclose(parameter, before[name] * (1 - shares.get(name, 0.0))), name


class TwoTables(nn.Module):
    """A table that starts at zero and one that does not, as tables do that were loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.anew, self.loaded = (nn.Embedding(7, 3, sparse=True) for _ in range(2))
        with torch.no_grad():
            self.anew.weight.zero_()
            self.loaded.weight.copy_(torch.linspace(-3, 4, 21).reshape(7, 3))

    def loss(self) -> torch.Tensor:
        rows = torch.tensor([1, 2])
        return (self.anew(rows) + self.loaded(rows) - 9).pow(2).sum()


def test_loaded_tables_take_steps_of_their_own():
    made = TwoTables()
    before = [made.anew.weight.detach().clone(), made.loaded.weight.detach().clone()]
    Optimizer(made, optim(skip=[], warmup_fraction=0.0, clip_norm=1e6), steps=5).step(made.loss())
    # The first step of Adam is as large as the learning rate, up, since all gradients are below zero.
    for table, start, lr in zip((made.anew.weight, made.loaded.weight), before, (0.2, 0.3), strict=True):
        assert torch.allclose((table - start)[1:3], torch.tensor(lr), atol=1e-5)
        assert torch.equal(table[[0, 3, 4, 5, 6]], start[[0, 3, 4, 5, 6]])


def test_loaded_tables_decay_to_their_start_at_a_rate_of_their_own():
    made = TwoTables()
    start = made.loaded.weight.detach().clone()
    steps = RowAdamW.DECAY_STEPS
    optimizer = Optimizer(made, optim(skip=[], warmup_fraction=0.0, lr=1e-9), steps=10**9)
    with torch.no_grad():
        made.anew.weight.add_(1.0)
        made.loaded.weight.add_(1.0)
    for _ in range(steps):
        optimizer.step(torch.zeros((), requires_grad=True))
    assert torch.allclose(made.anew.weight, torch.tensor((1 - 0.2 * 0.25) ** steps), atol=1e-6)
    assert torch.allclose(made.loaded.weight - start, torch.tensor((1 - 0.3 * 0.75) ** steps), atol=1e-6)


def test_both_kinds_of_tables_go_on_where_they_were_saved():
    made, broken = TwoTables(), TwoTables()
    unbroken, first = (Optimizer(one, optim(skip=[]), steps=40) for one in (made, broken))
    for _ in range(13):
        unbroken.step(made.loss())
        first.step(broken.loss())
    resumed = TwoTables()
    second = Optimizer(resumed, optim(skip=[]), steps=40)  # before the weights come back: it knows where they began
    resumed.load_state_dict(broken.state_dict())
    second.load_state_dict(first.state_dict())
    for _ in range(27):
        unbroken.step(made.loss())
        second.step(resumed.loss())
    for one, other in zip(made.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def row_adamw(made: "Tables", start: torch.Tensor, weight_decay: float) -> RowAdamW:
    """Return the optimiser of a table that began at `start` and is elsewhere by now."""
    now = made.table.weight.detach().clone()
    with torch.no_grad():
        made.table.weight.copy_(start)
        optimizer = RowAdamW([made.table.weight], lr=0.2, betas=(0.9, 0.999), weight_decay=weight_decay)
        made.table.weight.copy_(now)
    return optimizer


@pytest.mark.parametrize("start", [torch.zeros(7, 3), torch.linspace(-3, 4, 21).reshape(7, 3)])
def test_all_rows_of_a_table_decay_to_where_it_began_though_few_have_a_gradient(start):
    made = Tables(sparse=True)
    before = made.table.weight.detach().clone()
    optimizer = row_adamw(made, start, weight_decay=0.25)
    for _ in range(2 * RowAdamW.DECAY_STEPS):
        optimizer.zero_grad()
        made.loss().backward()
        optimizer.step()
    unused = [3, 4, 6]
    expected = start + (before - start) * (1 - 0.2 * 0.25) ** (2 * RowAdamW.DECAY_STEPS)
    assert torch.allclose(made.table.weight[unused], expected[unused], atol=1e-6)


def test_a_table_under_a_huge_decay_is_back_where_it_began():
    start = torch.linspace(-3, 4, 21).reshape(7, 3)
    made = Tables(sparse=True)
    optimizer = row_adamw(made, start, weight_decay=4.99)
    for step in range(4 * RowAdamW.DECAY_STEPS):
        optimizer.zero_grad()
        if step % 2:  # no gradient at all, or one of zero
            (0 * made.loss()).backward()
        optimizer.step()
    assert torch.allclose(made.table.weight, start, atol=1e-6)


def test_a_table_that_does_not_decay_stays_to_the_bit_where_it_has_no_gradient():
    made = Tables(sparse=True)
    before = made.table.weight.detach().clone()
    optimizer = row_adamw(made, torch.linspace(-3, 4, 21).reshape(7, 3), weight_decay=0.0)
    for _ in range(3 * RowAdamW.DECAY_STEPS):
        optimizer.zero_grad()
        made.loss().backward()
        optimizer.step()
    assert torch.equal(made.table.weight[[3, 4, 6]], before[[3, 4, 6]])


def test_rows_that_are_always_used_move_as_adamw_moves_them():
    rows, dense = Tables(sparse=True), Tables(sparse=False)
    ours = RowAdamW([rows.table.weight], lr=0.05, betas=(0.9, 0.999), weight_decay=0.0)
    theirs = torch.optim.AdamW([dense.table.weight], lr=0.05, betas=(0.9, 0.999), weight_decay=0.0)
    for made, optimizer in ((rows, ours), (dense, theirs)):
        for _ in range(9):
            optimizer.zero_grad()
            made.loss().backward()
            optimizer.step()
    assert torch.allclose(rows.table.weight, dense.table.weight, atol=1e-5)


def test_the_learning_rate_warms_up_and_falls_along_a_cosine():
    factors = [lr_factor(step, warmup=4, steps=12) for step in range(13)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == 1.0
    assert factors[8] == pytest.approx(0.5)
    assert factors[12] == pytest.approx(0.0)
    assert factors[6] == pytest.approx((1 + math.cos(math.pi / 4)) / 2)


def test_without_warm_up_the_first_step_is_a_whole_one():
    assert lr_factor(0, warmup=0, steps=5) == 1.0
    assert lr_factor(99, warmup=0, steps=5) == 0.0


def gradients(made: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.grad.to_dense().clone() for name, parameter in made.named_parameters()}


class Tables(nn.Module):
    def __init__(self, *, sparse: bool) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(7, 3, mode="sum", sparse=sparse)
        self.head = nn.Linear(3, 5)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.arange(parameter.numel()).reshape(parameter.shape) / 9)

    def loss(self) -> torch.Tensor:
        # Row 2 occurs in both titles, and twice in the first: its gradients must be added before they are squared.
        return self.head(self.table(torch.tensor([[2, 2, 5], [2, 1, 0]]))).pow(2).sum()


@pytest.mark.parametrize("clip_norm", [1e-2, 1.0, 1e6])
def test_sparse_gradients_are_clipped_as_torch_clips_dense_ones(clip_norm):
    sparse, dense = Tables(sparse=True), Tables(sparse=False)
    for made in (sparse, dense):
        made.loss().backward()
    clip_gradients(list(sparse.parameters()), clip_norm)
    nn.utils.clip_grad_norm_(dense.parameters(), clip_norm)
    expected = gradients(dense)
    for name, gradient in gradients(sparse).items():
        assert torch.allclose(gradient, expected[name], rtol=1e-5)


def test_sparse_tables_move_only_where_they_were_used():
    made = Tables(sparse=True)
    before = made.table.weight.detach().clone()
    Optimizer(made, optim(skip=[]), steps=5).step(made.loss())
    moved = (made.table.weight != before).any(dim=1)
    assert moved.tolist() == [True, True, True, False, False, True, False]


def test_a_restored_optimizer_goes_on_as_if_nothing_had_happened():
    made, broken = Tables(sparse=True), Tables(sparse=True)
    unbroken = Optimizer(made, optim(skip=[]), steps=8)
    first = Optimizer(broken, optim(skip=[]), steps=8)
    for _ in range(3):
        unbroken.step(made.loss())
        first.step(broken.loss())
    second = Optimizer(broken, optim(skip=[]), steps=8)
    second.load_state_dict(first.state_dict())
    for _ in range(5):
        unbroken.step(made.loss())
        second.step(broken.loss())
    for one, other in zip(made.parameters(), broken.parameters(), strict=True):
        assert torch.equal(one, other)


def test_groups_of_a_network_without_parameters_are_empty():
    assert group_parameters(nn.ReLU(), []) == Groups([], [], [])


def test_a_step_leaves_parameters_without_a_gradient_alone():
    made = Tables(sparse=True)
    made.unused = nn.Linear(3, 3)
    before = made.unused.weight.detach().clone()
    Optimizer(made, optim(skip=[], weight_decay=0.5), steps=5).step(made.loss())
    assert torch.equal(made.unused.weight, before)


def test_a_loss_that_reaches_no_parameter_moves_nothing():
    made = Tables(sparse=True)
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    Optimizer(made, optim(skip=[]), steps=5).step(torch.zeros(3, requires_grad=True).sum())
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())
