"""How the page looks: fonts of the machine, a narrow palette, and room on small screens."""

import gradio as gr

TITLE = "Jumbo"

_FONTS = ("system-ui", "-apple-system", "Segoe UI", "sans-serif")
_MONO = ("ui-monospace", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Gradio's plain theme with the fonts of the machine: nothing is fetched."""
    return gr.themes.Soft(primary_hue="teal", neutral_hue="slate", font=_FONTS, font_mono=_MONO)


CSS = """
.gradio-container { max-width: 1500px !important; margin: 0 auto; }
.numbers { overflow-x: auto; }
.numbers table { border-collapse: collapse; width: 100%; font-size: 0.95rem; }
.numbers caption { caption-side: bottom; text-align: left; color: var(--body-text-color-subdued); padding-top: 4px;
    font-size: 0.85rem; }
.numbers th, .numbers td { padding: 5px 10px; border-bottom: 1px solid var(--border-color-primary); text-align: right; }
.numbers th:first-child { text-align: left; }
.numbers td { font-variant-numeric: tabular-nums; }
.running { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; padding: 6px 2px; }
.running progress { flex: 1 1 180px; height: 10px; accent-color: var(--primary-500); }
.note { margin: 4px 2px; }
.scenes .grid-wrap { padding: 0; }
footer { opacity: 0.7; }
"""
