"""Semantic segmentation with mmsegmentation: importing this registers everything a config names.

Needs ``pip install '.[seg]'``. Configs enter it by ``custom_imports = dict(imports=["jumbo_backbone.segmentation"])``.
"""

from . import quiet  # noqa: F401 before all that imports mmsegmentation
from .configs.shipped import shipped_config
from .data.corruptions import CorruptImage
from .data.scenes import RenderScene, ScenesDataset
from .heads.lattice import LatticeFCNHead, LatticeUPerHead
from .models.backbone import JumboViTBackbone
from .models.cascade import CascadeSegmentor
from .models.exported import ExportedSegmentor
from .models.from_scratch import FromScratch
from .models.preprocessor import BandsPreProcessor
from .models.segmentors import ElasticSegmentor, JumboSegmentor
from .models.timm_backbone import TimmViTBackbone
from .pictures.hook import PictureHook
from .pretraining.classifier import ImageClassifier, TopAccuracy
from .pretraining.hook import PretrainedFilesHook
from .pretraining.model import HeldOutLoss, MaskedImageModel
from .pretraining.pictures import ClassPictureDataset, PictureDataset
from .training.amp import AutocastOptimWrapper
from .training.budget_hooks import KeepRateWarmupHook, TokenDroppingHook
from .training.console import PromptLoggerHook
from .training.hooks import AtomicCheckpointHook, RunRecordHook
from .training.layer_decay import LayerDecayOptimWrapperConstructor
from .training.metrics import IoUMetric
from .training.resume import NumberedInfiniteSampler, NumberedSampler, ResumeHook, SeedAugmentation

__all__ = [
    "AtomicCheckpointHook",
    "AutocastOptimWrapper",
    "BandsPreProcessor",
    "CascadeSegmentor",
    "ClassPictureDataset",
    "CorruptImage",
    "ElasticSegmentor",
    "ExportedSegmentor",
    "FromScratch",
    "HeldOutLoss",
    "ImageClassifier",
    "IoUMetric",
    "JumboSegmentor",
    "JumboViTBackbone",
    "KeepRateWarmupHook",
    "LatticeFCNHead",
    "LatticeUPerHead",
    "LayerDecayOptimWrapperConstructor",
    "MaskedImageModel",
    "NumberedInfiniteSampler",
    "NumberedSampler",
    "PictureDataset",
    "PictureHook",
    "PretrainedFilesHook",
    "PromptLoggerHook",
    "RenderScene",
    "ResumeHook",
    "RunRecordHook",
    "ScenesDataset",
    "SeedAugmentation",
    "TimmViTBackbone",
    "TopAccuracy",
    "TokenDroppingHook",
    "shipped_config",
]
