import math

import pytest
import torch
from torch import nn

from tests.helpers.networks import with_random_fields
from tests.helpers.training import FEW_FEATURES, compose_train
from titleclf.config.schemas import OptimConfig
from titleclf.runtime.bundle.folding import field_table
from titleclf.runtime.choices import Field
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import Characters
from titleclf.training.network import TorchNetwork
from titleclf.training.optimizer import Groups, Optimizer, RowAdamW, clip_gradients, group_parameters, lr_factor

CHARACTERS = Characters("abcdefg", casefold=True, boundary=True, length=13)


def new_network(*overrides: str) -> TorchNetwork:
    return TorchNetwork(compose_train("model.dim=5", *overrides).model, CHARACTERS, outputs=3)


def optim(**changes) -> OptimConfig:
    values = {
        "lr": 0.1,
        "table_lr": 0.2,
        "loaded_lr": 0.3,
        "weight_decay": 0.5,
        "table_decay": 0.25,
        "field_decay": 0.125,
        "loaded_decay": 0.75,
        "betas": [0.9, 0.999],
        "warmup_fraction": 0.2,
        "clip_norm": 1.0,
        "skip": ["characters"],
    }
    return OptimConfig(**{**values, **changes})


def names(module: nn.Module, parameters: list[nn.Parameter]) -> set[str]:
    ids = set(map(id, parameters))
    return {name for name, parameter in module.named_parameters() if id(parameter) in ids}


@pytest.mark.parametrize("model", ["bag", "ngram", "conv"])
@pytest.mark.parametrize("extra", [[], ["model.hidden=7", "model.positions=learned"]])
def test_every_parameter_is_in_exactly_one_group(model, extra):
    network = new_network(f"model={model}", *extra)
    groups = group_parameters(network, ["characters"])
    grouped = list(groups)
    assert len(grouped) == len({id(parameter) for parameter in grouped}) == len(list(network.parameters()))
    assert all(parameter.ndim >= 2 for parameter in [*groups.matrices, *groups.tables])


def test_only_matrices_outside_skip_decay():
    network = new_network("model=ngram", "model.buckets=97", "model.hidden=7", "model.positions=learned")
    groups = group_parameters(network, ["characters"])
    assert names(network, groups.matrices) == {"encoder.embedding.positions.table", "head.0.weight", "head.2.weight"}
    assert names(network, groups.undecayed) == {"encoder.embedding.characters.weight", "head.0.bias", "head.2.bias"}
    assert names(network, groups.tables) == {"encoder.ngrams.weight"}


def with_fields() -> TorchNetwork:
    used = f"model.fields.use=[{','.join(Field)}]"
    return new_network("model=ngram", "model.buckets=97", "data.path=own.csv", used, *FEW_FEATURES)


@pytest.mark.parametrize("beside", [False, True])
def test_tables_of_fields_are_open_or_closed(beside):
    network = with_fields()
    # As in `Loss.modules`, where something else is trained beside the network.
    module: nn.Module = nn.ModuleDict({"network": network, "regulariser": nn.Linear(2, 3)}) if beside else network
    groups = group_parameters(module, ["characters"])
    assert names(network, groups.tables) == {"encoder.ngrams.weight"}
    opened = {Field.description, Field.sub_title, Field.channel, Field.language}
    assert names(network, groups.open_tables) == {field_table(name) for name in opened}
    assert names(network, groups.closed_tables) == {field_table(name) for name in set(Field) - opened}
    assert len(list(groups)) == len(list(module.parameters()))


def test_open_tables_of_fields_decay_and_closed_ones_do_not():
    network = with_fields()
    optimizer = Optimizer(network, optim(warmup_fraction=0.0, lr=1e-9), steps=10**9)
    groups, steps = group_parameters(network, ["characters"]), RowAdamW.DECAY_STEPS
    with torch.no_grad():
        for table in (*groups.tables, *groups.open_tables, *groups.closed_tables):
            table.fill_(1.0)
    for _ in range(steps):
        optimizer.step(torch.zeros((), requires_grad=True))
    for tables, decay in ((groups.tables, 0.25), (groups.open_tables, 0.125), (groups.closed_tables, 0.0)):
        assert tables
        for table in tables:
            assert torch.allclose(table, torch.tensor((1 - 0.2 * decay) ** steps), atol=1e-6)


def test_tables_of_fields_move_by_the_learning_rate_of_tables():
    network = with_fields()
    programmes = with_random_fields(["a", "b"] * 9)
    buckets = network.field_encoder.encode(programmes)
    Optimizer(network, optim(warmup_fraction=0.0, clip_norm=1e6), steps=5).step(
        network(network.inputs(programmes))[:, 0].sum()
    )
    for name in Field:
        rows = sorted(set(buckets[name].buckets.tolist()))
        table = network.get_parameter(field_table(name)).detach()
        assert torch.allclose(table[rows].abs(), torch.tensor(0.2), atol=1e-4), name
        assert table.any(dim=1).nonzero().flatten().tolist() == rows


def test_tables_have_a_decay_of_their_own():
    with pytest.raises(InputError, match=r"optim.skip must name modules of the model: .*head. Got ngrams."):
        group_parameters(new_network("model=ngram", "model.buckets=97"), ["ngrams"])


def test_frozen_parameters_are_in_no_group():
    network = new_network("model=bag")
    network.encoder.embedding.characters.weight.requires_grad = False
    groups = group_parameters(network, ["characters"])
    assert names(network, list(groups)) == {"head.weight", "head.bias"}


def test_skip_must_name_a_module():
    sentence = r"optim.skip must name modules of the model: characters, embedding, encoder, head. Got ngrams, nonsense."
    with pytest.raises(InputError, match=sentence):
        group_parameters(new_network("model=bag"), ["ngrams", "nonsense"])


def test_decay_shrinks_matrices_by_learning_rate_times_decay_and_nothing_else():
    network = new_network("model=bag", "model.positions=learned")
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    optimizer = Optimizer(network, optim(warmup_fraction=0.0), steps=10)
    optimizer.step(torch.stack([0.0 * parameter.sum() for parameter in network.parameters()]).sum())
    decays = {"head.weight": 0.1 * 0.5, "encoder.embedding.positions.table": 0.1 * 0.5}
    for name, parameter in network.named_parameters():
        assert torch.allclose(parameter, before[name] * (1 - decays.get(name, 0.0))), name


class TwoTables(nn.Module):
    """A table that starts at zero, and one that does not, like a loaded table."""

    def __init__(self) -> None:
        super().__init__()
        self.new, self.loaded = (nn.Embedding(7, 3, sparse=True) for _ in range(2))
        with torch.no_grad():
            self.new.weight.zero_()
            self.loaded.weight.copy_(torch.linspace(-3, 4, 21).reshape(7, 3))

    def loss(self) -> torch.Tensor:
        rows = torch.tensor([1, 2])
        residuals: torch.Tensor = self.new(rows) + self.loaded(rows) - 9
        return residuals.pow(2).sum()


def test_loaded_tables_have_their_own_learning_rate():
    tables = TwoTables()
    before = [tables.new.weight.detach().clone(), tables.loaded.weight.detach().clone()]
    Optimizer(tables, optim(skip=[], warmup_fraction=0.0, clip_norm=1e6), steps=5).step(tables.loss())
    # Adam's first step is as large as the learning rate, and upwards: all gradients are negative.
    for table, start, lr in zip((tables.new.weight, tables.loaded.weight), before, (0.2, 0.3), strict=True):
        assert torch.allclose((table - start)[1:3], torch.tensor(lr), atol=1e-5)
        assert torch.equal(table[[0, 3, 4, 5, 6]], start[[0, 3, 4, 5, 6]])


def test_loaded_tables_decay_to_their_start_at_their_own_rate():
    tables = TwoTables()
    start = tables.loaded.weight.detach().clone()
    steps = RowAdamW.DECAY_STEPS
    optimizer = Optimizer(tables, optim(skip=[], warmup_fraction=0.0, lr=1e-9), steps=10**9)
    with torch.no_grad():
        tables.new.weight.add_(1.0)
        tables.loaded.weight.add_(1.0)
    for _ in range(steps):
        optimizer.step(torch.zeros((), requires_grad=True))
    assert torch.allclose(tables.new.weight, torch.tensor((1 - 0.2 * 0.25) ** steps), atol=1e-6)
    assert torch.allclose(tables.loaded.weight - start, torch.tensor((1 - 0.3 * 0.75) ** steps), atol=1e-6)


def test_both_kinds_of_tables_resume_where_they_were_saved():
    tables, broken, resumed = TwoTables(), TwoTables(), TwoTables()
    uninterrupted, first = (Optimizer(module, optim(skip=[]), steps=40) for module in (tables, broken))
    for _ in range(13):
        uninterrupted.step(tables.loss())
        first.step(broken.loss())
    second = Optimizer(resumed, optim(skip=[]), steps=40)  # before the weights are loaded, to record their start
    resumed.load_state_dict(broken.state_dict())
    second.load_state_dict(first.state_dict())
    for _ in range(27):
        uninterrupted.step(tables.loss())
        second.step(resumed.loss())
    for expected, table in zip(tables.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(table, expected)


def row_adamw(module: "Tables", start: torch.Tensor, weight_decay: float) -> RowAdamW:
    """Return the optimizer of a table that began at `start` and has moved since."""
    now = module.table.weight.detach().clone()
    with torch.no_grad():
        module.table.weight.copy_(start)
        optimizer = RowAdamW(list(module.table.parameters()), lr=0.2, betas=(0.9, 0.999), weight_decay=weight_decay)
        module.table.weight.copy_(now)
    return optimizer


@pytest.mark.parametrize("start", [torch.zeros(7, 3), torch.linspace(-3, 4, 21).reshape(7, 3)])
def test_all_rows_of_a_table_decay_to_their_start_though_few_have_a_gradient(start):
    tables = Tables(sparse=True)
    before = tables.table.weight.detach().clone()
    optimizer = row_adamw(tables, start, weight_decay=0.25)
    for _ in range(2 * RowAdamW.DECAY_STEPS):
        optimizer.zero_grad()
        tables.loss().backward()
        optimizer.step()
    unused = [3, 4, 6]
    expected = start + (before - start) * (1 - 0.2 * 0.25) ** (2 * RowAdamW.DECAY_STEPS)
    assert torch.allclose(tables.table.weight[unused], expected[unused], atol=1e-6)


def test_a_table_under_a_huge_decay_returns_to_its_start():
    start = torch.linspace(-3, 4, 21).reshape(7, 3)
    tables = Tables(sparse=True)
    optimizer = row_adamw(tables, start, weight_decay=4.99)
    for step in range(4 * RowAdamW.DECAY_STEPS):
        optimizer.zero_grad()
        if step % 2:  # no gradient at all, or zeros
            (0 * tables.loss()).backward()
        optimizer.step()
    assert torch.allclose(tables.table.weight, start, atol=1e-6)


def test_a_table_without_decay_does_not_change_where_it_has_no_gradient():
    tables = Tables(sparse=True)
    before = tables.table.weight.detach().clone()
    optimizer = row_adamw(tables, torch.linspace(-3, 4, 21).reshape(7, 3), weight_decay=0.0)
    for _ in range(3 * RowAdamW.DECAY_STEPS):
        optimizer.zero_grad()
        tables.loss().backward()
        optimizer.step()
    assert torch.equal(tables.table.weight[[3, 4, 6]], before[[3, 4, 6]])


def test_rows_in_every_batch_move_as_in_adamw():
    rows, dense = Tables(sparse=True), Tables(sparse=False)
    ours = RowAdamW(list(rows.table.parameters()), lr=0.05, betas=(0.9, 0.999), weight_decay=0.0)
    theirs = torch.optim.AdamW([dense.table.weight], lr=0.05, betas=(0.9, 0.999), weight_decay=0.0)
    for tables, optimizer in ((rows, ours), (dense, theirs)):
        for _ in range(9):
            optimizer.zero_grad()
            tables.loss().backward()
            optimizer.step()
    assert torch.allclose(rows.table.weight, dense.table.weight, atol=1e-5)


def test_the_learning_rate_warms_up_and_falls_along_a_cosine():
    factors = [lr_factor(step, warmup=4, steps=12) for step in range(13)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == 1.0
    assert factors[8] == pytest.approx(0.5)
    assert factors[12] == pytest.approx(0.0)
    assert factors[6] == pytest.approx((1 + math.cos(math.pi / 4)) / 2)


def test_without_warmup_the_first_step_has_the_whole_learning_rate():
    assert lr_factor(0, warmup=0, steps=5) == 1.0
    assert lr_factor(99, warmup=0, steps=5) == 0.0


def gradients(module: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: parameter.grad.to_dense().clone()
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }


class Tables(nn.Module):
    def __init__(self, *, sparse: bool) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(7, 3, mode="sum", sparse=sparse)
        self.head = nn.Linear(3, 5)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.arange(parameter.numel()).reshape(parameter.shape) / 9)

    def loss(self) -> torch.Tensor:
        # Row 2 occurs in both titles, twice in the first: its gradients must be added before they are squared.
        logits: torch.Tensor = self.head(self.table(torch.tensor([[2, 2, 5], [2, 1, 0]])))
        return logits.pow(2).sum()


@pytest.mark.parametrize("clip_norm", [1e-2, 1.0, 1e6])
def test_sparse_gradients_are_clipped_as_torch_clips_dense_ones(clip_norm):
    sparse, dense = Tables(sparse=True), Tables(sparse=False)
    for tables in (sparse, dense):
        tables.loss().backward()
    clip_gradients(list(sparse.parameters()), clip_norm)
    nn.utils.clip_grad_norm_(dense.parameters(), clip_norm)
    expected, clipped = gradients(dense), gradients(sparse)
    assert clipped.keys() == expected.keys() == {"table.weight", "head.weight", "head.bias"}
    for name, gradient in clipped.items():
        assert torch.allclose(gradient, expected[name], rtol=1e-5)


def test_sparse_tables_move_only_where_they_were_used():
    tables = Tables(sparse=True)
    before = tables.table.weight.detach().clone()
    Optimizer(tables, optim(skip=[]), steps=5).step(tables.loss())
    moved = (tables.table.weight != before).any(dim=1)
    assert moved.tolist() == [True, True, True, False, False, True, False]


def test_a_restored_optimizer_continues_as_an_uninterrupted_one():
    tables, broken = Tables(sparse=True), Tables(sparse=True)
    uninterrupted = Optimizer(tables, optim(skip=[]), steps=8)
    first = Optimizer(broken, optim(skip=[]), steps=8)
    for _ in range(3):
        uninterrupted.step(tables.loss())
        first.step(broken.loss())
    second = Optimizer(broken, optim(skip=[]), steps=8)
    second.load_state_dict(first.state_dict())
    for _ in range(5):
        uninterrupted.step(tables.loss())
        second.step(broken.loss())
    for expected, parameter in zip(tables.parameters(), broken.parameters(), strict=True):
        assert torch.equal(parameter, expected)


def test_groups_of_a_network_without_parameters_are_empty():
    assert group_parameters(nn.ReLU(), []) == Groups([], [], [], [], [])


def test_a_step_does_not_change_parameters_without_a_gradient():
    tables = Tables(sparse=True)
    tables.unused = nn.Linear(3, 3)
    before = tables.unused.weight.detach().clone()
    Optimizer(tables, optim(skip=[], weight_decay=0.5), steps=5).step(tables.loss())
    assert torch.equal(tables.unused.weight, before)


def test_a_loss_that_reaches_no_parameter_moves_nothing():
    tables = Tables(sparse=True)
    before = {name: tensor.clone() for name, tensor in tables.state_dict().items()}
    Optimizer(tables, optim(skip=[]), steps=5).step(torch.zeros(3, requires_grad=True).sum())
    assert all(torch.equal(tensor, before[name]) for name, tensor in tables.state_dict().items())
