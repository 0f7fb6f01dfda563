# jumbo_upernet_camvid.py, trained for every compute budget at once: a step takes up to three times as long.
_base_ = "jumbo_upernet_camvid.py"
model = dict(
    type="ElasticSegmentor",
    # the smaller resolution counts a quarter of the full one; from random weights, the labels teach better than twins
    elastic=dict(keep_rates=[0.5, 0.6, 0.7, 0.8, 0.9], resolutions=[5 / 7], small_weight=0.25, distill_share=0.0),
)
