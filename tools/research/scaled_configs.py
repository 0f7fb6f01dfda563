"""Configs of segmentation for short runs in this process."""

from pathlib import Path

from jumbo_cli.arguments import Parser


def scaled_config(config: Path | str, data_root: Path | str | None, iterations: int, seed: int):
    """A config for one run in this process, its schedule scaled to the iterations asked for, nothing left behind."""
    from jumbo_backbone.segmentation.cli import add_config_arguments, read_config
    from jumbo_backbone.segmentation.configs.schedule import scale_schedule
    from jumbo_backbone.segmentation.data.loaders import LOADERS
    from jumbo_backbone.segmentation.data.required import require_datasets

    parser = Parser()
    add_config_arguments(parser)
    data = ["--data-root", str(data_root)] if data_root else []
    cfg = read_config(parser.parse_args([str(config), *data]))
    require_datasets(cfg)
    scale_schedule(cfg, iterations)
    cfg.train_cfg.val_interval = 10 * iterations
    cfg.default_hooks.checkpoint = dict(type="CheckpointHook", by_epoch=False, interval=10 * iterations)
    for loader in LOADERS:
        cfg.get(loader, {}).update(num_workers=0, persistent_workers=False)
    cfg.randomness, cfg.log_level = dict(seed=seed), "ERROR"
    cfg.visualizer.vis_backends = []  # mmengine would go on writing to the first run's folder
    return cfg
