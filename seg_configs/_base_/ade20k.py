# ADE20K, 150 classes, as jumbo prepare leaves it. In its masks 0 is void and k+1 is class k.
_base_ = "masks.py"
data_root = "data/ade/ADEChallengeData2016"
dataset = dict(type="ADE20KDataset", data_root=data_root)
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader
