"""Learned positions of their own for several input sizes: which are used, what learns, and what becomes of files."""

import logging
import math

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.models import group_parameters
from timm.optim import create_optimizer_v2
from torch.nn.parallel import DistributedDataParallel

from jumbo_backbone import ElasticBudgets, JumboViT, elastic_loss, load_checkpoint, save_checkpoint
from jumbo_backbone.layers.pos_embed import nearest_grid, resample_pos_embed
from tests.conftest import TINY, images, tiny_model

SIZES = (32, (48, 96))  # beside 64: grids of 2x2 and 3x6 beside 4x4
NAMES = ["pos_embed", "pos_embed_tables.2x2", "pos_embed_tables.3x6"]


def several(seed: int = 0, sizes=SIZES, **overrides) -> JumboViT:
    """A model whose tables are all different."""
    model = tiny_model(seed, pos_embed_sizes=sizes, **overrides)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for table in model.position_tables().values():
            table.normal_(generator=generator)
    return model


def positions(model: JumboViT, *size: int) -> torch.Tensor:
    """(1, N, D) that the model adds to the patch tokens of an image."""
    x = torch.zeros(1, 3, *size)
    return model.embed(x)[0] - model.patch_embed(x)


class TestWhichTable:
    @pytest.mark.parametrize(("size", "grid"), [((64, 64), (4, 4)), ((32, 32), (2, 2)), ((48, 96), (3, 6))])
    def test_a_size_with_a_table_takes_it_as_it_is(self, size, grid):
        model = several()
        torch.testing.assert_close(positions(model, *size), model.position_tables()[grid], atol=1e-6, rtol=0)

    @pytest.mark.parametrize(
        ("size", "grid"),
        [((32, 16), (2, 2)), ((80, 64), (4, 4)), ((48, 112), (3, 6)), ((128, 128), (4, 4)), ((48, 48), (4, 4))],
    )
    def test_another_takes_the_nearest_resampled(self, size, grid):
        """Of several that are as near, the native one. A square is nearer to a square than to a wide one."""
        model = several()
        expected = resample_pos_embed(model.position_tables()[grid], grid, (size[0] // 16, size[1] // 16))
        torch.testing.assert_close(positions(model, *size), expected, atol=1e-6, rtol=1e-5)
        with torch.no_grad():  # from the cache
            for _ in range(2):
                torch.testing.assert_close(positions(model, *size), expected, atol=1e-6, rtol=1e-5)

    def test_nearest(self):
        assert nearest_grid([(4, 4)], (90, 1)) == (4, 4)
        assert nearest_grid([(4, 4), (2, 2), (3, 6)], (3, 5)) == (3, 6)
        assert nearest_grid([(4, 4), (2, 2)], (3, 3)) == (4, 4) and nearest_grid([(2, 2), (4, 4)], (3, 3)) == (2, 2)
        assert nearest_grid([(3, 6), (4, 4)], (8, 8)) == (4, 4)

    def test_fresh_ones_are_the_native_one_resampled(self):
        model, one = tiny_model(pos_embed_sizes=SIZES), tiny_model()
        for size in [(64, 64), (32, 32), (48, 96)]:
            assert torch.equal(model(images(1, 3, *size)), one(images(1, 3, *size)))

    def test_without_sizes_nothing_is_new(self):
        assert [name for name in tiny_model().state_dict() if "pos" in name] == ["pos_embed"]
        assert tiny_model().pos_embed_sizes == () and tiny_model(pos_embed_sizes=[]).pos_embed_sizes == ()

    def test_padded_sizes_count_by_their_patches(self):
        model = several(sizes=(30,), dynamic_img_pad=True)
        assert model.pos_embed_sizes == ((32, 32),)
        assert torch.equal(positions(model, 20, 31), positions(model, 32, 32))


class TestTraining:
    def test_each_table_has_a_gradient_and_the_used_one_alone_learns(self):
        model = several().train()
        with torch.no_grad():
            model.pos_embed_tables["3x6"][0, 0, 0] = math.inf
            model.pos_embed[0, 0, 0] = math.nan
        model(images(2, 3, 32, 32)).square().sum().backward()
        grads = {name: p.grad for name, p in model.named_parameters()}
        assert all(grad is not None and grad.isfinite().all() for grad in grads.values())
        assert [bool(grads[name].any()) for name in NAMES] == [False, True, False]

    def test_the_gradient_of_a_used_table_is_that_of_a_model_of_one(self):
        model, one = several().train(), tiny_model(img_size=32).train()
        one.load_state_dict({name: t for name, t in model.state_dict().items() if name not in NAMES}, strict=False)
        one.pos_embed.data.copy_(model.pos_embed_tables["2x2"])
        for m in (model, one):
            m(images(2, 3, 32, 32)).square().sum().backward()
        assert torch.equal(model.pos_embed_tables["2x2"].grad, one.pos_embed.grad)

    def test_frozen_tables_stay_without(self):
        model = several().train()
        model.pos_embed_tables.requires_grad_(False)
        model(images(1, 3, 32, 32)).sum().backward()
        assert model.pos_embed.grad is not None and model.pos_embed_tables["2x2"].grad is None

    @pytest.mark.parametrize("tables_are_seen", [True, False])
    def test_distributed_data_parallel(self, tmp_path, tables_are_seen, monkeypatch):
        """It waits for the gradient of every parameter: of tables that nothing depends on there is none."""
        if not tables_are_seen:
            monkeypatch.setattr(JumboViT, "_positions", lambda self, grid: self.position_tables()[grid])
        torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
        try:
            model = DistributedDataParallel(several().train())

            def steps() -> None:
                for size in (32, 64, 32):
                    model(images(2, 3, size, size)).square().sum().backward()

            if tables_are_seen:
                steps()
            else:
                with pytest.raises(RuntimeError, match="did not receive grad"):
                    steps()
        finally:
            torch.distributed.destroy_process_group()

    def test_a_step_of_supervit(self):
        model = several(sizes=(32, 48)).train()
        elastic = ElasticBudgets.supervit(resolutions=(32, 48))
        x, labels = images(2, 3, 64, 64), torch.tensor([1, 2])
        used = set()
        for step in range(8):
            model.zero_grad()
            pairs = elastic.draw(step)
            elastic_loss(lambda b: model(x, budget=b), lambda scores: F.cross_entropy(scores, labels), pairs).backward()
            tables = model.position_tables()
            assert all(table.grad is not None for table in tables.values())
            used.add(frozenset(grid for grid, table in tables.items() if table.grad.any()))
        assert used == {frozenset({(4, 4), (2, 2)}), frozenset({(4, 4), (3, 3)})}

    def test_optimisers_treat_all_tables_alike(self):
        model = several()
        assert set(NAMES) <= model.no_weight_decay()
        by_timm = group_parameters(model, model.group_matcher(), reverse=True)
        assert all(model.get_layer_depth(name) == (0, 5) and by_timm[name] == 0 for name in NAMES)
        optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05, layer_decay=0.5)
        of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
        groups = [of[id(model.get_parameter(name))] for name in NAMES]
        assert all(group is groups[0] and group["weight_decay"] == 0 for group in groups)


class TestGraphs:
    @pytest.fixture(autouse=True)
    def fresh_compiler(self):
        torch._dynamo.reset()
        yield
        torch._dynamo.reset()

    @pytest.mark.parametrize("size", [(64, 64), (32, 32), (80, 64)])
    def test_exported(self, size):
        model, batch = several(), torch.export.Dim("batch", min=1, max=64)
        program = torch.export.export(model, (images(2, 3, *size),), dynamic_shapes={"x": {0: batch}})
        for B in (1, 3):
            x = images(B, 3, *size, seed=B)
            torch.testing.assert_close(program.module()(x), model(x), atol=1e-5, rtol=1e-5)

    def test_compiled(self):
        model = several(depth=1)
        compiled = torch.compile(model, fullgraph=True)
        with torch.no_grad():
            for size in [(64, 64), (32, 32), (80, 64), (48, 96)]:
                x = images(2, 3, *size)
                torch.testing.assert_close(compiled(x), model(x), atol=1e-4, rtol=1e-4)
        model.train()
        compiled(images(2, 3, 32, 32)).square().sum().backward()
        grads = [model.get_parameter(name).grad for name in NAMES]
        assert [bool(grad.any()) for grad in grads] == [False, True, False]


class TestFiles:
    @pytest.mark.parametrize("entry", ["load_state_dict", "checkpoint_path", "load_checkpoint", "inside"])
    @pytest.mark.parametrize("img_size", [64, 32, (48, 80)])
    def test_from_a_file_of_one_table(self, tmp_path, entry, img_size, caplog):
        source, path = tiny_model(), tmp_path / "one.pth"
        torch.save({**source.state_dict(), "cls_token": torch.zeros(1, 1, 48)}, path)
        sizes = [size for size in (64, *SIZES) if size != img_size]
        changes = dict(img_size=img_size, pos_embed_sizes=sizes)
        with caplog.at_level(logging.INFO):
            if entry == "checkpoint_path":
                options = {**TINY, **changes, "checkpoint_path": str(path)}
                model = timm.create_model("jumbo_pico_patch16_224", **options).eval()
            else:
                model = tiny_model(seed=1, **changes)
                if entry == "load_checkpoint":
                    load_checkpoint(model, path)
                elif entry == "load_state_dict":
                    model.load_state_dict(torch.load(path))
                else:
                    whole = torch.nn.ModuleDict(dict(backbone=model))
                    whole.load_state_dict({f"backbone.{name}": t for name, t in torch.load(path).items()})
        for name, grid in model.position_grids().items():
            assert (f"{name} from a grid of 4x4 to {grid[0]}x{grid[1]}" in caplog.text) == (grid != (4, 4))
        for size in [(64, 64), (32, 32), (48, 96), model.patch_embed.img_size]:
            x = images(1, 3, *size)
            torch.testing.assert_close(model(x), source(x), atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize(
        ("img_size", "sizes", "told", "left"),
        [
            (32, (), [], ["4x4", "3x6"]),  # what fits best is used
            ((48, 112), (), ["pos_embed from a grid of 3x6 to 3x7"], ["4x4", "2x2"]),
            (32, ((48, 96), 64), [], []),
            (80, (32, (48, 112)), ["pos_embed from a grid of 4x4 to 5x5", "3x6 to 3x7"], []),
        ],
    )
    def test_from_a_file_of_several(self, tmp_path, img_size, sizes, told, left):
        source = several()
        save_checkpoint(source, tmp_path / "several.safetensors")
        model = tiny_model(seed=1, img_size=img_size, pos_embed_sizes=sizes)
        report = load_checkpoint(model, tmp_path / "several.safetensors")
        assert len(report.resampled) == len(told) and all(t in str(report.resampled) for t in told)
        assert report.skipped == [f"positions of a grid of {grid} (this model has others)" for grid in left]
        assert report.loaded == len(model.state_dict())
        for size in [model.patch_embed.img_size, *model.pos_embed_sizes]:
            x = images(1, 3, *size)
            torch.testing.assert_close(model(x), source(x), atol=1e-5, rtol=1e-5)

    def test_what_was_saved_comes_back_to_the_bit(self, tmp_path):
        source = several(img_size=(32, 64), sizes=(64, 48))
        save_checkpoint(source, tmp_path / "model.safetensors")
        model = tiny_model(seed=1, img_size=(32, 64), pos_embed_sizes=(48, 64))
        report = load_checkpoint(model, tmp_path / "model.safetensors")
        assert not report.resampled and not report.skipped and report.loaded == len(source.state_dict())
        assert all(torch.equal(t, source.state_dict()[name]) for name, t in model.state_dict().items())

    @pytest.mark.parametrize("change", [lambda model: None, lambda model: model.set_input_size((48, 96))])
    def test_folders_keep_the_sizes(self, tmp_path, change):
        source = several()
        change(source)
        source.save_pretrained(tmp_path)
        for model in (
            JumboViT.from_pretrained(tmp_path),
            timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval(),
        ):
            assert model.pos_embed_sizes == source.pos_embed_sizes
            for size in [(64, 64), (32, 32), (48, 96), (80, 80)]:
                assert torch.equal(model(images(1, 3, *size)), source(images(1, 3, *size)))
        model = JumboViT.from_pretrained(tmp_path, pos_embed_sizes=())
        assert model.pos_embed_sizes == () and "pos_embed_sizes" not in model.get_config()

    @pytest.mark.parametrize(
        ("name", "error", "message"),
        [
            ("pos_embed_tables.2x3", ValueError, "pos_embed_tables.2x3 has 4 positions, but its name says 2x3"),
            ("pos_embed_tables.wide", RuntimeError, "Unexpected.*pos_embed_tables.wide"),
        ],
    )
    def test_tables_that_cannot_be(self, name, error, message):
        weights = several().state_dict()
        weights[name] = weights.pop("pos_embed_tables.2x2")
        with pytest.raises(error, match=message):
            several().load_state_dict(weights)


class TestAnotherNativeSize:
    def test_with_a_table(self):
        model = several()
        x = images(1, 3, 48, 96)
        expected, table = model(x), model.pos_embed_tables["3x6"].clone()
        model.set_input_size((48, 96))
        assert torch.equal(model.pos_embed, table) and model.pos_embed_sizes == ((32, 32),)
        assert torch.equal(model(x), expected)

    def test_without(self):
        model = several()
        x = images(1, 3, 32, 16)
        expected = model(x)
        model.set_input_size((32, 16))
        assert model.pos_embed_sizes == ((32, 32), (48, 96))
        torch.testing.assert_close(model(x), expected)

    def test_of_patches(self):
        """Tables keep their grids: with patches twice as large they are of images twice as large."""
        model = several()
        model.set_input_size(patch_size=32)
        assert model.grid_size == (2, 2) and model.pos_embed_sizes == ((96, 192),)


@pytest.mark.parametrize(
    ("sizes", "changes", "error", "message"),
    [
        (32, {}, TypeError, r"pos_embed_sizes 32: give a list of pixels, each an int or \(H, W\), as \(128, 160\)"),
        (None, {}, TypeError, "pos_embed_sizes None: give a list"),
        ("32", {}, TypeError, "pos_embed_sizes '32': give a list"),
        (["32"], {}, TypeError, "give a list of pixels"),
        ([32.0], {}, TypeError, "give a list of pixels"),
        ([True], {}, TypeError, "give a list of pixels"),
        ([(32, 48, 64)], {}, TypeError, "give a list of pixels"),
        ([0], {}, ValueError, "pos_embed_sizes 0x0 is smaller than one patch of 16x16: use a larger one"),
        ([-32], {}, ValueError, "pos_embed_sizes -32x-32 is smaller than one patch"),
        ([(32, 40)], {}, ValueError, "pos_embed_sizes 32x40 is not a multiple of patch_size 16x16: use 32x32, or dyn"),
        ([64], {}, ValueError, r"pos_embed_sizes \[64\]: 64, a grid of 4x4 patches, has its positions already, as img"),
        ([32, (32, 32)], {}, ValueError, r"\(32, 32\), a grid of 2x2 patches, has its positions already"),
        ([60], dict(dynamic_img_pad=True), ValueError, "60, a grid of 4x4 patches, has its positions already"),
        ([32], dict(dynamic_img_size=False), ValueError, "with dynamic_img_size=False the model takes img_size alone"),
    ],
)
def test_sizes_that_are_refused(sizes, changes, error, message):
    with pytest.raises(error, match=message):
        tiny_model(pos_embed_sizes=sizes, **changes)
