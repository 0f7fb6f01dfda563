"""The page of `jumbo web`, on Gradio: what the models of this package do with one's own pictures and series.

The page has no logic of its own. Each tab is a file with its components and events (``*_tab``), and another one that
calls the library as the command line does (``segmenting``, ``forecasting``, ``classifying``, ``inside``). Importing
torch, mmsegmentation and sktime takes seconds, so the page comes first: only ``loading`` and functions that answer
import them.
"""
