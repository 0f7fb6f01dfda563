"""`jumbo pretrain`."""

from ..command import Command
from ..config_arguments import SEG
from .train import add_arguments

EPILOG = """examples:
  {prog} pretrain_mae_pictures --data-root my_photos
                                       photos of your own, in folders of any depth
  {prog} pretrain_mae_pictures --data-root my_photos --resume
                                       go on after an interruption
  {prog} pretrain_mae_pico --data-root 'tiny_imagenet/train-*.tar'
                                       small pictures in tar files
  {prog} pretrain_mae_pictures --data-root my_photos \\
      --cfg-options model.encoder.arch.jumbo_ffn=patch model.encoder.arch.jumbo_multiplier=17
                                       a class token and 16 registers in place of the Jumbo token, to compare
  torchrun --nproc-per-node 8 -m jumbo_cli pretrain pretrain_mae_small --data-root imagenet/train \\
      --launcher pytorch --amp

The work dir then holds encoder.safetensors, which training starts from:
  jumbo train masks_small --cfg-options model.backbone.init_cfg.type=Pretrained \\
      model.backbone.init_cfg.checkpoint=work_dirs/pretrain_mae_pictures/encoder.safetensors
and decoder.safetensors, reconstructions/ (pictures: image, visible patches, guess), and what `jumbo train` leaves: the
resolved config, run.json, metrics.json (the loss on pictures that are held out), the log and the last checkpoints.

Exit code: 0 done, 1 the run broke (full disk, killed process), 2 wrong input, 130 stopped by Ctrl-C.
"""


COMMAND = Command(
    "pretrain",
    "Pretrain an encoder on pictures without labels.",
    "jumbo_backbone.segmentation.cli.pretrain:run",
    add_arguments,
    epilog=EPILOG,
    **SEG,
)
