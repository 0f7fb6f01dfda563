"""The table of `jumbo benchmark`."""

from .. import ComputeBudget
from ..benchmarking.report import aligned
from .benchmark_cases import budget_suffix


def table(records: list[dict]) -> str:
    """Records as text, one block for each setting; a column that no record fills is left out."""
    heading = ["", "images/s", "ratio [quartiles]", "latency ms (IQR)", "memory MiB", "params M"]
    heading += ["GFLOPs/image", "GFLOP/s", "MFU"]
    rows = []
    for r in records:
        q1, latency, q3 = (1e3 * r["latency_s"][q] for q in ("q1", "median", "q3"))
        memory, share = r["peak_memory_bytes"], r["matmul_share"]
        row = ["  " + label_of(r), f"{r['images_per_s']['median']:.1f}"]
        row += ["{median:.3f} [{q1:.3f}, {q3:.3f}]".format(**r["ratio"]), f"{latency:.2f} ({q3 - q1:.2f})"]
        row += ["-" if memory is None else f"{memory / 2**20:.0f}", f"{r['params'] / 1e6:.2f}"]
        row += [f"{r['flops'] / 1e9:.2f}", f"{r['flops_per_s'] / 1e9:.0f}", "-" if share is None else f"{share:.1%}"]
        rows.append(row)
    (head, *body), setting = aligned([heading, *rows]), None
    lines = [head]
    for record, line in zip(records, body, strict=True):
        if setting != (setting := "{img_size} px, batch {batch_size}, {dtype}".format(**record)):
            lines.append(setting)
        lines.append(line)
    return "\n".join(lines)


def label_of(record: dict) -> str:
    return record["model"] + budget_suffix(ComputeBudget(record["keep_rate"], resolution=record["resolution"]))
