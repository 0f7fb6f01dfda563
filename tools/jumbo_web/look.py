"""How the page looks: fonts of the machine, a narrow palette, and room on small screens."""

import gradio as gr

TITLE = "Jumbo"

_FONTS = ("system-ui", "-apple-system", "Segoe UI", "sans-serif")
_MONO = ("ui-monospace", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Gradio's plain theme with the fonts of the machine: nothing is fetched."""
    return gr.themes.Default(primary_hue="teal", neutral_hue="slate", font=_FONTS, font_mono=_MONO)


CSS = """
.gradio-container { width: 100%; max-width: 1500px !important; margin: 0 auto; }
@media (max-width: 600px) { .gradio-container > main, .gradio-container .main { padding: 8px !important; } }
.numbers { overflow-x: auto; }
.numbers table { border-collapse: collapse; width: 100%; font-size: 0.95rem; border: none; }
.caption { color: var(--body-text-color-subdued); margin: 4px 2px 14px; font-size: 0.85rem; }
.numbers tr, .numbers thead, .numbers tbody { border: none !important; }
.numbers th, .numbers td { padding: 5px 10px !important; text-align: right !important; border: none !important;
    border-bottom: 1px solid var(--border-color-primary) !important; }
.numbers th:first-child { text-align: left !important; }
.numbers td { font-variant-numeric: tabular-nums; }
.running { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; padding: 6px 2px; }
.running progress { flex: 1 1 180px; height: 10px; accent-color: var(--primary-500); }
.note { margin: 4px 2px; overflow-wrap: anywhere; }
.heading { margin: 4px 2px 0; font-size: 0.9rem; color: var(--body-text-color-subdued); }
.scenes, .scenes .grid-wrap { height: auto !important; max-height: none !important; min-height: 0; padding: 0; }
.scenes .grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; gap: 6px; }
.scenes .thumbnail-item { min-width: 0; }
.secondary-wrap input { padding-right: 26px !important; text-overflow: ellipsis; }
footer { opacity: 0.7; }
@media (max-width: 600px) { .numbers table { font-size: 0.82rem; } .numbers th, .numbers td { padding: 4px !important; }
}
"""
