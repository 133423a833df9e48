"""Says what pyarrow finds in an export as Parquet, and in which columns it differs from the same export as JSON lines."""

import json
import sys

import pyarrow.parquet as pq

file = pq.ParquetFile(sys.argv[1])
rows = file.read().to_pylist()
with open(sys.argv[2], encoding="utf-8") as f:
    lines = [json.loads(line) for line in f]


def same(a, b):
    if isinstance(a, float):
        return b is not None and abs(a - b) <= 1e-6 * abs(a)
    if isinstance(a, list):
        return b is not None and len(a) == len(b) and all(map(same, a, b))
    return a == b


different = set()
if len(rows) != len(lines):
    different.add("rows")
for row, line in zip(rows, lines):
    row["time"] = row["time"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    different |= {name for name, value in row.items() if not same(value, line.get(name))}
    different |= line.keys() - row.keys()
meta = file.metadata
print(json.dumps({
    "Rows": meta.num_rows,
    "Groups": meta.num_row_groups,
    "Vectors": sum(r["probabilities"] is not None for r in rows),
    "Embeddings": sum(r["embedding"] is not None for r in rows),
    "Compression": sorted({meta.row_group(g).column(c).compression for g in range(meta.num_row_groups) for c in range(meta.num_columns)}),
    "Types": {field.name: str(field.type) for field in file.schema_arrow},
    "Different": sorted(different),
}))
