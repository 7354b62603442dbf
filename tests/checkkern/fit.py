#!/usr/bin/python3
"""Prints the polynomials of src/kernels/x86/poly.h: least squares weighted to a relative error, on
Chebyshev nodes, coefficients rounded to float one at a time (the rest refitted after each)."""
import math

import numpy as np


def fit(basis, target, names):
    """Minimises the relative error of sum c_i basis_i - target; rounds from the largest down."""
    a = np.stack(basis, 1) / target[:, None]
    b = np.ones(len(target))
    fixed = np.zeros(len(basis))
    done = []
    for i in range(len(basis)):
        free = [j for j in range(len(basis)) if j not in done]
        c, *_ = np.linalg.lstsq(a[:, free], b - a @ fixed, rcond=None)
        fixed[free[0]] = np.float64(np.float32(c[0]))
        done.append(free[0])
    error = np.abs(a @ fixed - b).max()
    for n, c in zip(names, fixed):
        print(f"{n} {np.float32(c)!r} {float(np.float32(c)).hex()}")
    print("largest relative error", error)


def nodes(lo, hi, n=4001):
    return (lo + hi) / 2 + (hi - lo) / 2 * np.cos(np.pi * (np.arange(n) + 0.5) / n)


def exp_terms():
    r = nodes(-math.log(2) / 2, math.log(2) / 2)
    r = r[np.abs(r) > 1e-3]
    target = (np.exp(r) - 1 - r) / r**2
    # relative to exp(r), not to the remainder
    weight = np.exp(r) / r**2
    a = np.stack([r**i for i in range(5)], 1) / weight[:, None]
    b = target / weight
    fixed = np.zeros(5)
    for i in range(5):
        c, *_ = np.linalg.lstsq(a[:, i:], b - a @ fixed, rcond=None)
        fixed[i] = np.float64(np.float32(c[0]))
    print("exp", [float(x).hex() for x in fixed], "relative error", np.abs(a @ fixed - b).max())


def phi_terms(c, degree):
    """exp(a^2 / 2) Phi(-a), 0 <= a <= 14, in s = 3/8 - w, w = c a / (1 + c a)."""
    s = nodes(1 / (1 + 14 * c) - 0.625, 0.375)
    a = (1 / (s + 0.625) - 1) / c
    target = np.array([0.5 * math.erfc(x / math.sqrt(2)) * math.exp(x * x / 2) for x in a])
    fit([s**i for i in range(degree + 1)], target, [f"phi_{i}" for i in range(degree + 1)])


def gelu_coarse_terms(limit=4.0, count=7):
    """Phi(x) - 1/2 = x P(x^2), |x| <= limit, where it is 1/2; least error of x Phi(x). Of v = x / limit."""
    v = np.cos(np.pi * (np.arange(4000) + 0.5) / 8000)
    t = np.array([0.5 * math.erf(limit * x / math.sqrt(2)) for x in v])
    basis = np.stack([v ** (2 * i + 1) - v ** (2 * count - 1) for i in range(count - 1)], 1)
    target, size, weight = t - 0.5 * v ** (2 * count - 1), np.maximum(limit * v, 0.3), np.ones_like(v)
    for _ in range(400):
        c, *_ = np.linalg.lstsq(basis * (weight * size)[:, None], target * weight * size, rcond=None)
        error = np.abs(basis @ c - target) * size
        weight *= 0.5 + error / error.max()
        weight /= weight.mean()
    c = [float(np.float32(x)) for x in c]
    c.append(0.5 - sum(c))
    c = [float(np.float32(x / limit ** (2 * i + 1))) for i, x in enumerate(c)]
    print("gelu coarse, highest first", [x.hex() for x in reversed(c)])
    x = np.linspace(-9, 9, 200001)
    u = np.clip(x, -limit, limit)
    g = x * (0.5 + sum(k * u ** (2 * i + 1) for i, k in enumerate(c)))
    true = x * 0.5 * np.array([math.erfc(-a / math.sqrt(2)) for a in x])
    print("largest error", np.abs(g - true).max(), "at the limit",
          limit * sum(k * limit ** (2 * i) for i, k in enumerate(c)) - 0.5)


if __name__ == "__main__":
    gelu_coarse_terms()
    exp_terms()
    c = float(np.float32(0.23))  # the best of 0.16, 0.17, .. 0.60 at this degree
    phi_terms(c, 8)
    print("phi c", c.hex())
