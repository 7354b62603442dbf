"""Resizing of relative position bias tables to another window, as the official loader does."""
import math

import numpy as np


def growth(src, dst):
    """The ratio of the geometric grid, by bisection; the last midpoint counts."""
    low, high, q = 1.01, 1.5, 0.0
    while high - low > 1e-6:
        q = (low + high) / 2
        reach = (1 - q ** (src // 2)) / (1 - q)
        low, high = (low, q) if reach > dst // 2 else (q, high)
    return q


def spline(x, y, t):
    """Not-a-knot cubic spline through (x, y[., k]) at t, solved densely: the tables are small."""
    n, h = len(x), np.diff(x)
    a, b = np.zeros((n, n)), np.zeros((n, y.shape[1]))
    slope = np.diff(y, axis=0) / h[:, None]
    for i in range(1, n - 1):  # second derivatives m
        a[i, i - 1:i + 2] = h[i - 1], 2 * (h[i - 1] + h[i]), h[i]
        b[i] = 6 * (slope[i] - slope[i - 1])
    a[0, :3] = h[1], -(h[0] + h[1]), h[0]
    a[-1, -3:] = h[-1], -(h[-2] + h[-1]), h[-2]
    m = np.linalg.solve(a, b)
    t = np.clip(t, x[0], x[-1])
    i = np.clip(np.searchsorted(x, t, "right") - 1, 0, n - 2)
    d, e, s = (t - x[i])[:, None], (x[i + 1] - t)[:, None], h[i][:, None]
    return ((m[i] * e**3 + m[i + 1] * d**3) / (6 * s) + (y[i] / s - m[i] * s / 6) * e
            + (y[i + 1] / s - m[i + 1] * s / 6) * d)


def resize(table, dst):
    """[(2a-1)^2, heads] to [dst^2, heads], where dst is the new side 2b-1."""
    src = math.isqrt(len(table))
    if src == dst:
        return table
    half = np.cumsum(growth(src, dst) ** np.arange(src // 2))
    x = np.concatenate([-half[::-1], [0], half])
    m = spline(x, np.eye(src), np.arange(dst) - dst // 2.0)
    grid = table.reshape(src, src, -1).astype(np.float64)
    return np.einsum("ti,ijh,uj->tuh", m, grid, m).reshape(dst * dst, -1)
