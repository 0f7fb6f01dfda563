# Jumbo-base with parameters, gradients and optimiser state sharded over the GPUs (FSDP), by mmengine's FlexibleRunner:
# torchrun --nproc-per-node 8 -m jumbo_cli train … --launcher pytorch --cfg-options train_dataloader.batch_size=2
_base_ = "jumbo_base_upernet_ade20k.py"
runner_type = "FlexibleRunner"
strategy = dict(
    type="FSDPStrategy",
    # names and shapes of parameters stay visible to the optimiser's constructor
    model_wrapper=dict(type="MMFullyShardedDataParallel", use_orig_params=True),
    state_dict_cfg="full",  # one file that any other run can load
)
# the strategy writes its own files
default_hooks = dict(checkpoint=dict(type="CheckpointHook"))
