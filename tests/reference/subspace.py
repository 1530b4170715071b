"""Principal subspace figures by numpy in float64: writes subspace.tsv beside this file.

    python tests/reference/subspace.py

tests/subspace_reference.rs makes the same matrices from the columns of the table and compares wcmp's figures.
"""

import pathlib

import numpy as np

RANK = 48

# name, rows of the base, rows of the target, columns, side, centred, seeds, share of the base in the target, common mean
CASES = [
    ("square", 96, 96, 96, "columns", 0, 1, 2, 0.75, 0.0),
    ("square, other side", 96, 96, 96, "rows", 0, 1, 2, 0.75, 0.0),
    ("tall", 700, 700, 200, "columns", 0, 3, 4, 0.5, 0.0),
    ("tall, other side", 700, 700, 200, "rows", 0, 3, 4, 0.5, 0.0),
    ("wide", 64, 64, 1500, "columns", 0, 5, 6, 0.6, 0.0),
    ("wide, other side", 64, 64, 1500, "rows", 0, 5, 6, 0.6, 0.0),
    ("independent", 256, 256, 320, "columns", 0, 7, 8, 0.0, 0.0),
    ("common mean", 300, 300, 160, "columns", 0, 9, 10, 0.0, 2.0),
    ("common mean, centred", 300, 300, 160, "columns", 1, 9, 10, 0.0, 2.0),
    ("more rows, centred", 400, 520, 128, "columns", 1, 11, 12, 0.8, 1.0),
    ("small", 9, 9, 12, "columns", 0, 13, 14, 0.7, 0.0),
    ("identical", 40, 40, 72, "columns", 0, 15, 16, 1.0, 0.0),
    ("largest exact", 1024, 1024, 1100, "columns", 0, 17, 18, 0.7, 0.0),
    ("beyond", 1100, 1100, 1200, "columns", 0, 19, 20, 0.7, 0.0),
    ("beyond, other side", 1100, 1100, 1200, "rows", 0, 19, 20, 0.7, 0.0),
    ("beyond, independent", 1200, 1100, 1050, "columns", 1, 21, 22, 0.0, 1.0),
]


def uniform(seed, rows, columns):
    """SplitMix64 of seed * 2^32 + index, upper 24 bits, in [-0.5, 0.5)."""
    with np.errstate(over="ignore"):
        z = (np.uint64(seed << 32) + np.arange(rows * columns, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) / 2**24 - 0.5).reshape(rows, columns)


def matrix(seed, rows, columns):
    """Noise and RANK directions whose strength falls by a tenth from one to the next."""
    left = uniform(3 * seed, rows, RANK) * 0.9 ** np.arange(RANK)
    return 0.5 * uniform(3 * seed + 2, rows, columns) + left @ uniform(3 * seed + 1, columns, RANK).T


def leading(w, side, k, centred):
    w = w.astype(np.float32).astype(np.float64)
    if centred:
        w = w - w.mean(axis=0)
    u, _, vt = np.linalg.svd(w, full_matrices=False)
    return vt[:k] if side == "columns" else u[:, :k].T


def main():
    lines = ["name\trows_base\trows_target\tcolumns\tside\tcentred\tseed_base\tseed_target\tshare\tmean\tk\toverlap\texpected"]
    for name, rows_base, rows_target, columns, side, centred, seed_base, seed_target, share, mean in CASES:
        common = mean * uniform(999, 1, columns)
        base = matrix(seed_base, rows_base, columns)
        other = matrix(seed_target, rows_target, columns)
        target = (1 - share) * other
        shared = min(rows_base, rows_target)
        target[:shared] += share * base[:shared]
        k = max(1, min(32, min(rows_base, rows_target, columns) // 8))
        a = leading(base + common, side, k, centred)
        b = leading(target + common, side, k, centred)
        d = a.shape[1]
        s_a, s_b = (np.square(v.sum(axis=1)).sum() for v in (a, b))
        overlap = np.square(a @ b.T).sum() / k
        expected = (k * k / d + (s_a - k) * (s_b - k) / (d * (d - 1))) / k
        fields = [name, rows_base, rows_target, columns, side, centred, seed_base, seed_target, share, mean, k]
        lines.append("\t".join(str(f) for f in fields) + f"\t{overlap:.9f}\t{expected:.9f}")
    pathlib.Path(__file__).with_suffix(".tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
