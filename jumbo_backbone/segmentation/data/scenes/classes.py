"""The classes of a scene, in the order of the labels."""

CLASSES = ("sky", "ground", "water", "road", "tree", "house", "vehicle", "sign")  # mountains are ground
PALETTE = (
    (126, 190, 238),
    (214, 190, 120),
    (40, 98, 180),
    (96, 96, 104),
    (46, 140, 70),
    (186, 74, 58),
    (240, 200, 30),
    (232, 96, 190),
)
SKY, GROUND, WATER, ROAD, TREE, HOUSE, VEHICLE, SIGN = range(8)
