# Jumbo-small with UPerNet on ADE20K, 512x512, batch 16 in all, 160k iterations.
_base_ = ["_base_/runtime.py", "_base_/upernet.py", "_base_/ade20k.py", "_base_/schedule_160k.py"]
