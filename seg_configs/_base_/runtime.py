# What every run does: what is registered, logged, saved and seeded. Iterations are counted, not epochs.
default_scope = "mmseg"
custom_imports = dict(imports=["jumbo_backbone.segmentation"], allow_failed_imports=False)

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
randomness = dict(seed=0)
log_level = "INFO"
log_processor = dict(by_epoch=False)
visualizer = dict(type="SegLocalVisualizer", vis_backends=[dict(type="LocalVisBackend")], name="visualizer")
picture_bands = None  # which bands pictures show as red, green and blue, such as [2, 1, 0]; None for the colours
load_from = None
resume = False

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="PromptLoggerHook", interval=50, log_metric_by_epoch=False),  # and after 30 s of silence
    param_scheduler=dict(type="ParamSchedulerHook"),
    # the last two checkpoints and the best one; files are written beside their place first, then renamed
    checkpoint=dict(type="AtomicCheckpointHook", by_epoch=False, interval=4000, max_keep_ckpts=2, save_best="mIoU"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    resume=dict(type="ResumeHook"),  # a resumed run has the numbers of an uninterrupted one
    record=dict(type="RunRecordHook"),  # run.json and metrics.json
)
custom_hooks = []  # yours

val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
test_evaluator = val_evaluator
tta_model = dict(type="SegTTAModel")
