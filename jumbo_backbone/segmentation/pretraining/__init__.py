"""What mmengine's runner needs to pretrain an encoder on pictures without labels."""
