"""The weights of a masked autoencoder as two files: the encoder, which every loader takes, and the decoder."""

import os
from pathlib import Path

from safetensors.torch import load_file, save

from ..files import write_atomically
from ..models.checkpoint import LoadReport, differences, load_checkpoint, save_checkpoint
from .masked_autoencoder import MaskedAutoencoder

ENCODER, DECODER = "encoder.safetensors", "decoder.safetensors"


def save_weights(autoencoder: MaskedAutoencoder, folder: str | os.PathLike) -> None:
    """Write ``encoder.safetensors`` and ``decoder.safetensors``, each whole or not at all.

    ``load_checkpoint``, ``timm.create_model(checkpoint_path=…)`` and mmsegmentation's ``init_cfg`` take the encoder.

    Args:
        autoencoder: What was trained.
        folder: Where both files are written.
    """
    save_checkpoint(autoencoder.backbone, Path(folder, ENCODER))
    own = {n: t.detach().cpu().contiguous() for n, t in autoencoder.state_dict().items() if _of_decoder(n)}
    write_atomically(save(own, metadata={"format": "pt"}), Path(folder, DECODER))


def load_weights(autoencoder: MaskedAutoencoder, folder: str | os.PathLike) -> LoadReport:
    """Load both files into an autoencoder of the same sizes, to draw reconstructions.

    Args:
        autoencoder: Takes the weights.
        folder: Where both files are.

    Returns:
        The report on the encoder, whose positions may be of another image size.

    Raises:
        FileNotFoundError: If one is not there.
        ValueError: If one does not fit; the message names the tensors that differ.
    """
    path = Path(folder, DECODER)
    report = load_checkpoint(autoencoder.backbone, Path(folder, ENCODER))
    if not path.is_file():
        raise FileNotFoundError(
            f"no decoder at {path.absolute()}: pictures need the one that was trained with the encoder; pretraining "
            f"leaves it beside {ENCODER}"
        )
    tensors = load_file(path)
    own = {name: tensor for name, tensor in autoencoder.state_dict().items() if not _of_decoder(name)}
    if told := differences(autoencoder, own | tensors):
        raise ValueError(
            f"{path} does not fit this decoder: {'; '.join(told)}. Give decoder_dim, decoder_depth and decoder_heads "
            "of its training"
        )
    autoencoder.load_state_dict(own | tensors)
    return report


def _of_decoder(name: str) -> bool:
    return not name.startswith("backbone.")
