"""Semantic segmentation with mmsegmentation: importing this registers everything a config names.

Needs ``pip install '.[seg]'``. Configs enter it by ``custom_imports = dict(imports=["jumbo_backbone.segmentation"])``.
"""

from .amp import AutocastOptimWrapper
from .backbone import JumboViTBackbone
from .budget_hooks import KeepRateWarmupHook, TokenDroppingHook
from .cascade import CascadeSegmentor
from .exported import ExportedSegmentor
from .from_scratch import FromScratch
from .heads import LatticeFCNHead, LatticeUPerHead
from .hooks import AtomicCheckpointHook, RunRecordHook
from .layer_decay import LayerDecayOptimWrapperConstructor
from .metrics import IoUMetric
from .picture_hook import PictureHook
from .preprocessor import BandsPreProcessor
from .resume import NumberedInfiniteSampler, NumberedSampler, ResumeHook, SeedAugmentation
from .scenes import RenderScene, ScenesDataset
from .segmentors import ElasticSegmentor, JumboSegmentor
from .timm_backbone import TimmViTBackbone

__all__ = [
    "AtomicCheckpointHook",
    "AutocastOptimWrapper",
    "BandsPreProcessor",
    "CascadeSegmentor",
    "ElasticSegmentor",
    "ExportedSegmentor",
    "FromScratch",
    "IoUMetric",
    "JumboSegmentor",
    "JumboViTBackbone",
    "KeepRateWarmupHook",
    "LatticeFCNHead",
    "LatticeUPerHead",
    "LayerDecayOptimWrapperConstructor",
    "NumberedInfiniteSampler",
    "NumberedSampler",
    "PictureHook",
    "RenderScene",
    "ResumeHook",
    "RunRecordHook",
    "ScenesDataset",
    "SeedAugmentation",
    "TimmViTBackbone",
    "TokenDroppingHook",
]
