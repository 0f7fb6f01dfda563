"""What can be wrong with the files of a segmentation data set, and how to put it right."""

from dataclasses import dataclass

FIRST = 5  # problems of a kind that are named

# What a problem is called, and the way out of it.
NO_MASK = "image without a mask"
NO_IMAGE = "mask without an image"
UNREADABLE = "unreadable file"
COLOURS = "mask of colours"
NOT_LABELS = "mask that holds no labels"
OTHER_SIZE = "mask of another size than its image"
OUT_OF_RANGE = "labels out of range"
OTHER_COUNT = "other number of pairs than was published"
ALL_IGNORED = "mask of which every pixel is ignored"
DARK = "image of which hardly anything is left when it is read"
OTHER_BANDS = "image of other bands than the model takes"
NOT_FINITE = "image with values that are no numbers"
PLANES = "image whose bands follow each other"
TURNED = "image that is turned when it is read, and its mask is not"
LOST = "image that is read in part"
WAYS_OUT = {
    NO_MASK: "give each image a mask of the same name with seg_map_suffix for img_suffix, or take the image out",
    NO_IMAGE: "give each mask an image of the same name with img_suffix for seg_map_suffix, or take the mask out",
    UNREADABLE: "fetch the file again, or save it anew as JPEG or PNG, or take the pair out",
    COLOURS: "save one channel of class numbers: np.array(image)[..., 0] where the channels are equal; for an array of "
    "palette colours (rgb[..., None, :] == palette).all(-1).argmax(-1).astype(np.uint8); see docs/your_own_masks.md",
    NOT_LABELS: "save class numbers as PNG of one channel and 8 bits; see docs/your_own_masks.md",
    OTHER_SIZE: "make both of one size (masks with nearest-neighbour, never smoothly); a photo with a rotation in its "
    "EXIF data is turned upright when read, so save it upright",
    OUT_OF_RANGE: "number the classes 0, 1, 2, …, and 255 for what is ignored; with reduce_zero_label=True 0 is "
    "ignored and they begin at 1; or name more classes in metainfo and num_classes",
    OTHER_COUNT: "is the zip cut off, or of another release? Unpack the official one: jumbo prepare",
    ALL_IGNORED: "nothing can be learned from it, but it does no harm; if there are many, is reduce_zero_label wrong?",
    DARK: "values of 16 bits are cut to the upper 8: load them with color_type='unchanged', in all pipelines, and give "
    "mean and std of the values that files have",
    OTHER_BANDS: "set model.backbone.in_channels and one mean and std for each band, or save all images with as many "
    "bands (color_type='color' in LoadImageFromFile makes three of any)",
    NOT_FINITE: "one nan makes the loss nan: fill such pixels, and mark them by 255 in the mask",
    PLANES: "OpenCV mixes up the bands of such a TIFF of 16 bits: save it with the bands of a pixel together "
    "(gdal_translate -co INTERLEAVE=PIXEL), or load it with imdecode_backend='tifffile'",
    TURNED: "its size does not tell whether the mask was drawn on the image as the camera held it: save image and mask "
    "upright, without a rotation in the EXIF data; color_type='unchanged' would not turn it",
    LOST: "if the rest matters, load it with color_type='unchanged' in all pipelines, and set in_channels, mean and "
    "std; else it does no harm",
}
HARMLESS = {ALL_IGNORED, LOST}


@dataclass(frozen=True)
class Problem:
    """A file with which training would fail or go wrong; ``kind`` is a key of ``WAYS_OUT``."""

    kind: str
    path: str
    what: str

    @classmethod
    def unreadable(cls, path: str, error: Exception) -> "Problem":
        """What a program says that does not read a file."""
        return cls(UNREADABLE, path, " ".join(str(error).split()) or type(error).__name__)

    @property
    def way_out(self) -> str:
        return WAYS_OUT[self.kind]
