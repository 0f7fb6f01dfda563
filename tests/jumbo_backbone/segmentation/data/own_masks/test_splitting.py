"""Splits: the same seed gives the same one, each picture is on one side, and a scene never on both."""

import re

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from jumbo_backbone.segmentation.data.own_masks.splitting import scenes_of, split

SCENES = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60).filter(lambda scenes: len(set(scenes)) > 1)


@given(scenes=SCENES, val=st.floats(0.01, 0.99), seed=st.integers(0, 5))
def test_scenes_never_straddle_and_both_sides_have_some(scenes, val, seed):
    found = split(scenes, val, seed)
    assert found == split(scenes, val, seed) and len(found) == len(scenes)
    sides = {side: {scene for scene, s in zip(scenes, found, strict=True) if s == side} for side in (True, False)}
    assert not sides[True] & sides[False] and sides[True] and sides[False]
    smallest = min(map(scenes.count, scenes))
    assert sum(found) <= max(round(val * len(scenes)), smallest, 1)


@given(scenes=SCENES, seed=st.integers(0, 5))
def test_a_split_does_not_depend_on_the_order_of_the_pictures(scenes, seed):
    sides = dict(zip(scenes, split(scenes, 0.3, seed), strict=True))
    assert sides == dict(zip(reversed(scenes), split(scenes[::-1], 0.3, seed), strict=True))


def test_single_pictures_are_split_exactly_and_seeds_differ():
    names = [f"{i}" for i in range(50)]
    splits = [split(names, 0.2, seed) for seed in range(5)]
    assert all(sum(found) == 10 for found in splits) and len({tuple(found) for found in splits}) == 5


@pytest.mark.parametrize(
    ("names", "by", "scenes", "told"),
    [
        (["a/1", "a/2", "b/1"], "auto", ["a", "a", "b"], "pictures of one folder .*several folders.*: 2 scenes of 3"),
        (["v_1", "v_2", "w-01"], "auto", ["v", "v", "w"], "differ in the number at their end alone .*2 scenes of 3"),
        (["IMG_1", "IMG_2"], "auto", ["IMG_1", "IMG_2"], "a scene of its own .neither .* --scene-pattern"),
        (["x", "y"], "auto", ["x", "y"], "a scene of its own"),
        (["1", "2", "3"], "auto", ["1", "2", "3"], "a scene of its own"),
        (["a/1", "b/1"], "none", ["a/1", "b/1"], "a scene of its own$"),
        (["a/v_1", "b/v_1", "a/v_2"], "name", ["a/v", "b/v", "a/v"], "2 scenes of 3"),
        (["a/v_1", "a/w_1", "b/v_2"], "folder", ["a", "a", "b"], "2 scenes of 3"),
    ],
)
def test_what_a_scene_is(names, by, scenes, told):
    found, how = scenes_of(names, by)
    assert found == scenes
    assert re.search(told, how), how


def test_a_pattern_says_what_a_scene_is():
    assert scenes_of(["x-a-1", "y-a-2", "y-b-3"], pattern="-(.)-")[0] == ["a", "a", "b"]
    assert scenes_of(["12x", "12y", "3z"], pattern=r"^\d+")[0] == ["12", "12", "3"]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: scenes_of(["a"], "video"), "'video' are none of auto, folder, name, none"),
        (lambda: scenes_of(["a"], pattern="("), "'.' is no regular expression"),
        (lambda: scenes_of(["a1", "b"], pattern=r"\d"), "is not in the name 'b'"),
        (lambda: split(["a", "b"], 0), "val=0 leaves nothing"),
        (lambda: split(["a", "b"], 1.5), "val=1.5 leaves nothing"),
        (lambda: split(["a", "b"], float("nan")), "val=nan leaves nothing"),
        (lambda: split(["a", "a"]), "all 2 pictures are of one scene .'a'.*scenes none"),
    ],
)
def test_bad_input(call, told):
    with pytest.raises(ValueError, match=told):
        call()
