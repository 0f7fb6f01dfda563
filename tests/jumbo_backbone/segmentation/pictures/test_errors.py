"""Where prediction and truth differ: the marks, their sentence, and their panel."""

import numpy as np
import pytest

pytest.importorskip("mmseg")
from jumbo_backbone.segmentation.pictures.errors import COLOURS, RIGHT, WRONG, confusions, marks
from jumbo_backbone.segmentation.pictures.labels import contact_sheet

CLASSES, PALETTE = ["road", "sky", "tree"], np.array([[10, 200, 10], [10, 10, 200], [200, 200, 10]])
TRUTH = np.array([[0, 0, 1, 1], [2, 2, 255, 255]], dtype=np.uint8)
PREDICTION = np.array([[0, 1, 1, 1], [0, 0, 0, 2]], dtype=np.uint8)


def test_marks_tell_right_wrong_and_ignored():
    assert marks(TRUTH, PREDICTION).tolist() == [[RIGHT, WRONG, RIGHT, RIGHT], [WRONG, WRONG, 255, 255]]
    with pytest.raises(ValueError, match=r"truth has \(2, 4\) pixels, the prediction \(1, 4\)"):
        marks(TRUTH, PREDICTION[:1])


@pytest.mark.parametrize(
    ("truth", "prediction", "told"),
    [
        (TRUTH, PREDICTION, "50.0% of the pixels are wrong: tree taken for road 33.3%, road taken for sky 16.7%"),
        (TRUTH, np.where(TRUTH == 255, 0, TRUTH), "No pixel is wrong."),
        (np.full((2, 2), 255), np.zeros((2, 2)), "Every pixel of the mask is ignored."),
    ],
)
def test_the_commonest_confusions_are_named(truth, prediction, told):
    assert confusions(truth, prediction, CLASSES) == told


def test_only_the_first_confusions_are_named():
    truth, prediction = np.divmod(np.arange(9), 3)
    told = confusions(truth.reshape(3, 3), prediction.reshape(3, 3), CLASSES)
    assert told.count(" taken for ") == 5 and told.endswith(", and 1 more kinds")


def test_the_last_panel_is_red_where_the_prediction_is_wrong():
    image = np.full((20, 40, 3), 128, dtype=np.uint8)
    truth, prediction = (np.kron(labels, np.ones((10, 10), dtype=np.uint8)) for labels in (TRUTH, PREDICTION))
    arguments = ([image], [truth], [prediction], CLASSES, PALETTE)
    plain, sheet = (np.asarray(contact_sheet(*arguments, errors=errors)).astype(int) for errors in (False, True))
    panel = 200  # 5 times the image
    assert sheet.shape[1] > plain.shape[1] + 0.8 * panel
    red = (sheet[..., 0] > 180) & (sheet[..., 1] < 110) & (sheet[..., 2] < 110)
    assert not red[:, : -panel - 40].any() and red.sum() == pytest.approx(3 / 8 * panel * panel / 2, rel=0.02)
    assert tuple(COLOURS[WRONG]) == (255, 60, 40)
